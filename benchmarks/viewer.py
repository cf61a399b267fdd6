"""The viewer's work per frame while a hand pans and zooms, in Chromium.

    python benchmarks/viewer.py --rows 200000        # needs playwright and a Chromium (NEARFAR_CHROMIUM names it)

"script" is the page's own work on the main thread for each frame, which must stay under 16.7 ms for 60 frames a second;
"frames" are what the browser managed in all. Without a GPU the points are rasterised by the processor (SwiftShader), and
"frames" says how quick that is, not the page.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from nearfar import visualize

_COUNT_FRAMES = """() => {
    window.frames_seen = 0;
    const step = () => { window.frames_seen += 1; requestAnimationFrame(step); };
    requestAnimationFrame(step);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--moves", type=int, default=150)
    parser.add_argument("--gpu", action="store_true", help="draw with the machine's GPU")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    generator = np.random.default_rng(0)
    labels = generator.integers(0, 50, options.rows)
    embeddings = generator.normal(size=(50, 8))[labels] + generator.normal(size=(options.rows, 8))
    software = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    flags = ["--no-sandbox", "--ignore-gpu-blocklist", *([] if options.gpu else software)]
    browser_path = os.environ.get("NEARFAR_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page_path = Path(folder) / "viewer.html"
        visualize.write_html(page_path, embeddings.astype(np.float32), labels)
        browser = driver.chromium.launch(executable_path=browser_path, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(page_path.as_uri())
        page.wait_for_timeout(5000)
        client = page.context.new_cdp_session(page)
        client.send("Performance.enable")
        page.evaluate(_COUNT_FRAMES)
        print(f"{options.rows:,} points, page of {page_path.stat().st_size / 1e6:.1f} MB")
        for gesture in ("pan", "zoom"):
            before, frames = measured(client), page.evaluate("window.frames_seen")
            perform(page, gesture, options.moves)
            after, frames = measured(client), page.evaluate("window.frames_seen") - frames
            seconds = after["Timestamp"] - before["Timestamp"]
            work = {
                name: 1e3 * (after[name] - before[name]) / frames
                for name in ("ScriptDuration", "LayoutDuration")
            }
            print(
                f"{gesture}: script {work['ScriptDuration']:.2f} ms and layout {work['LayoutDuration']:.2f} ms a frame; "
                f"{frames / seconds:.0f} frames a second"
            )
        browser.close()


def measured(client) -> dict[str, float]:
    return {entry["name"]: entry["value"] for entry in client.send("Performance.getMetrics")["metrics"]}


def perform(page, gesture: str, moves: int) -> None:
    page.mouse.move(400, 400)
    if gesture == "pan":
        page.mouse.down()
    for move in range(moves):
        if gesture == "pan":
            page.mouse.move(400 + 100 * np.sin(move / 10), 400 + 100 * np.cos(move / 10))
        else:
            page.mouse.wheel(0, 40 if move % 40 < 20 else -40)
        page.wait_for_timeout(16)
    page.mouse.up()


if __name__ == "__main__":
    main()
