"""A page of ninety animals in a real browser, and what one can ask of it."""

import os
import re
import shutil
from contextlib import contextmanager

import numpy as np
import pytest

from nearfar import visualize

pytest.importorskip("PIL")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the viewer is tested with playwright: pip install playwright"
)
CHROMIUM = os.environ.get("NEARFAR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or name it in NEARFAR_CHROMIUM"
)
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]


def items():
    """Ninety items of six classes, near enough to each other that some neighbours are wrong."""
    random = np.random.default_rng(4)
    labels = np.repeat(np.arange(6), 15)
    centres = random.normal(size=(6, 16))
    trained = (1.1 * centres[labels] + random.normal(size=(90, 16))).astype(np.float32)
    untrained = random.normal(size=(90, 5)).astype(np.float32)
    images = np.zeros((90, 12, 12), np.uint8)
    images[:, 2:10, 2:10] = random.integers(90, 255, (90, 8, 8))
    names = np.array(["cat", "dog", "crow", "carp", "cow", "newt"])[labels]
    metadata = {
        "wing": np.where(labels == 2, "yes", "no"),
        "mass": np.linspace(1, 10, 90),
        "id": [f"pictures/{i:03}.png" for i in range(90)],
    }
    return trained, untrained, names, images, metadata


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    trained, untrained, names, images, metadata = items()
    target = tmp_path_factory.mktemp("viewer") / "viewer.html"
    visualize.write_html(
        target, trained, names, untrained=untrained, images=images, metadata=metadata, title="Animals"
    )
    return target


@pytest.fixture
def opened(browser, path):
    """Opens the page and fails the test if it asks for anything or reports an error."""

    @contextmanager
    def opening(target=path, width=1200, height=760, expected=r"^blob:null/", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        view = context.new_page()
        trouble = []
        view.on("pageerror", lambda error: trouble.append(str(error)))
        view.on("console", lambda message: message.type == "error" and trouble.append(message.text))
        view.on("request", lambda request: request.url != target.as_uri() and trouble.append(request.url))
        view.goto(target.as_uri())
        view.wait_for_selector("html[data-ready]", state="attached")
        yield view
        settle(view)
        context.close()
        assert [line for line in trouble if not re.search(expected, line)] == []

    return opening


def settle(view):
    """Waits until what was asked for is drawn."""
    view.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def place(view, item):
    """Where an item is in the window."""
    x, y = view.evaluate("item => nearfar.map.place(item)", item)
    box = view.locator("#points").bounding_box()
    return box["x"] + x, box["y"] + y


def places(view, rows=90):
    return np.array(view.evaluate("n => Array.from({ length: n }, (_, i) => nearfar.map.place(i))", rows))


def state(view, key):
    return view.evaluate("key => nearfar.store.state[key]", key)


def colour_at(view, item, canvas="points"):
    """The pixel of a canvas under an item."""
    return view.evaluate(
        """([item, id]) => {
          const canvas = document.getElementById(id);
          const [x, y] = nearfar.map.place(item);
          const ratio = canvas.width / canvas.clientWidth;
          return [...canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data];
        }""",
        [item, canvas],
    )


def brute_neighbours(rows, k=10):
    whole = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None], axis=-1)
    np.fill_diagonal(whole, np.inf)
    order = np.argsort(whole, axis=1)[:, :k]
    return order, np.take_along_axis(whole, order, axis=1)


def wait(view, expression, argument=None):
    view.wait_for_function(expression, arg=argument, timeout=20_000)
