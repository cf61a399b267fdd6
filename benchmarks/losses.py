"""Losses side by side: time and memory of forward and backward, beside the floor of three B x B x D matrix products.

    python benchmarks/losses.py                                  # writes docs/benchmarks.md and docs/benchmarks.png
    python benchmarks/losses.py --batches 32 512 --classes 4     # a part of it
    python benchmarks/losses.py --tfa PYTHON                     # with TensorFlow Addons, from an environment of its own
    python benchmarks/losses.py --batches 65536 --only all --add # beside the rows that an earlier run has written

One process per framework stays open; their turns are interleaved, so that a change of the machine's speed hits all alike.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent
# seconds and megabytes: a contender that would exceed them is not asked for more
LONGEST, LARGEST = 60.0, 10_000.0
LARGEST_FLOOR = 16_384  # its B x B table is kept whole; at 65,536 that is 17 GB

_WHAT_IS_LEFT = """\
What is left above the floor: on torch at 4,096 about a third of the time is the three products themselves; the rest are
passes over each block, about six for each positive of an anchor, and the masks. JAX and TensorFlow, where values cannot be
read while a program is compiled, look for each anchor's next positive in its row, three passes more a positive.
"""


class Contender:
    """A process that times one framework's losses."""

    def __init__(self, framework: str, python: str):
        self.framework = framework
        self.process = subprocess.Popen(
            [python, str(ROOT / "contenders.py"), framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        first = self.process.stdout.readline()
        self.names = json.loads(first) if first else []

    def time(self, **case) -> dict:
        try:
            self.process.stdin.write(json.dumps(case) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"error": "the process died, most likely out of memory"}


def measure(
    contenders: list[Contender], batches: list[int], per_class: int, runs: int, only: str
) -> list[dict]:
    """Rows of results for one number of samples per class."""
    rows, given_up = [], {}
    for size in batches:
        cases = []
        for contender in contenders:
            for name in contender.names:
                key = (contender.framework, name)
                if (only and only not in name and name != "floor") or key in given_up:
                    continue
                if name == "floor" and size > LARGEST_FLOOR:
                    continue
                cases.append((contender, name, []))
        repeats = max(1, 2048 // size)
        count = runs if size <= 4096 else 3 if size <= 16384 else 1
        for turn in range(count):
            for contender, name, found in cases:
                if found and "error" in found[-1]:
                    continue
                warmups = 1 if turn == 0 and size <= 16384 else 0
                found.append(
                    contender.time(
                        name=name, batch=size, per_class=per_class, repeats=repeats, warmups=warmups
                    )
                )
        for contender, name, found in cases:
            row = {"framework": contender.framework, "name": name, "batch": size, "per_class": per_class}
            if "error" in found[-1]:
                row["error"] = found[-1]["error"]
                given_up[contender.framework, name] = True
            else:
                row["seconds"] = statistics.median(f["seconds"] for f in found)
                row["megabytes"] = max(f["megabytes"] for f in found)
                growth = 8 if "nearfar" not in name and name != "floor" else 4
                step = next((b for b in batches if b > size), size) / size
                ahead = step ** (3 if growth == 8 else 2)
                if row["seconds"] * ahead > LONGEST * (10 if growth == 4 else 1) or (
                    growth == 8 and row["megabytes"] * ahead > LARGEST
                ):
                    given_up[contender.framework, name] = True
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def table(rows: list[dict], per_class: int, batches: list[int]) -> str:
    """One Markdown table: contenders down, batch sizes across; time, times the floor, and memory."""
    rows = [r for r in rows if r["per_class"] == per_class]
    floors = {(r["framework"], r["batch"]): r.get("seconds") for r in rows if r["name"] == "floor"}
    lines = [
        "| framework | loss | " + " | ".join(f"B = {b:,}" for b in batches) + " |",
        "|---|---|" + "---|" * len(batches),
    ]
    for framework, name in dict.fromkeys((r["framework"], r["name"]) for r in rows):
        cells = []
        for size in batches:
            found = [r for r in rows if (r["framework"], r["name"], r["batch"]) == (framework, name, size)]
            if not found:
                cells.append("-")
            elif "error" in found[0]:
                cells.append("fails")
            else:
                seconds, floor = found[0]["seconds"], floors.get((framework, size))
                times = f", {seconds / floor:.1f}x" if floor and name != "floor" else ""
                cells.append(f"{_time(seconds)}{times}, {found[0]['megabytes']:,.0f} MB")
        lines.append(f"| {framework} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratios(rows: list[dict], per_class: int) -> str:
    """How many times quicker nearfar is than each peer on the same loss."""
    lines = ["| against | loss | B | times quicker | memory, theirs / ours (MB) |", "|---|---|---|---|---|"]
    ours = {
        (r["framework"], r["name"].removeprefix("nearfar "), r["batch"]): r
        for r in rows
        if r["per_class"] == per_class and r["name"].startswith("nearfar") and "seconds" in r
    }
    for r in rows:
        library, _, loss = r["name"].partition(" ")
        framework = "tensorflow" if r["framework"] == "tfa" else r["framework"]
        mine = ours.get((framework, loss, r["batch"]))
        if (
            library in ("nearfar", "floor")
            or r["per_class"] != per_class
            or "seconds" not in r
            or mine is None
        ):
            continue
        lines.append(
            f"| {library} | {loss} | {r['batch']:,} | {r['seconds'] / mine['seconds']:.1f} "
            f"| {r['megabytes']:,.0f} / {mine['megabytes']:,.0f} |"
        )
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def chart(rows: list[dict], path: Path) -> None:
    """Time against batch size, one panel per framework, 4 per class."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    frameworks = [f for f in ("torch", "tensorflow", "jax") if any(r["framework"] == f for r in rows)]
    figure, axes = pyplot.subplots(
        1, len(frameworks), figsize=(5.2 * len(frameworks), 4.6), sharey=True, squeeze=False
    )
    for axis, framework in zip(axes[0], frameworks, strict=True):
        mine = [
            r
            for r in rows
            if r["framework"] == framework or (framework == "tensorflow" and "addons" in r["name"])
        ]
        names = dict.fromkeys(r["name"] for r in mine)
        drawn = [n for n in names if any(word in n for word in ("all", "semihard", "floor", "nt-xent"))]
        for number, name in enumerate(drawn):
            points = sorted(
                (r for r in mine if r["name"] == name and "seconds" in r), key=lambda r: r["batch"]
            )
            style = {"color": "0.6", "linestyle": ":"} if name == "floor" else {"color": f"C{number}"}
            style["linewidth"] = 2.4 if name.startswith("nearfar") else 1.2
            axis.loglog(
                [p["batch"] for p in points], [p["seconds"] for p in points], marker=".", label=name, **style
            )
        axis.set(title=framework, xlabel="batch size")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    axes[0][0].set_ylabel("forward and backward, seconds")
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[32, 128, 512, 1024, 2048, 4096, 16384, 65536]
    )
    parser.add_argument("--classes", type=int, nargs="+", default=[4], help="samples per class")
    parser.add_argument("--frameworks", nargs="+", default=["torch", "tensorflow", "jax"])
    parser.add_argument("--only", default="", help="only losses whose name holds this word")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tfa", default="", help="python of an environment with TensorFlow Addons 0.23")
    parser.add_argument(
        "--add", action="store_true", help="keep the rows of earlier runs that this one does not measure"
    )
    parser.add_argument("--out", type=Path, default=ROOT.parent / "docs" / "benchmarks")
    options = parser.parse_args()
    contenders = [Contender(name, sys.executable) for name in options.frameworks]
    if options.tfa:
        contenders.append(Contender("tfa", options.tfa))
    else:
        print("TensorFlow Addons is left out: name the python of its environment with --tfa")
    rows = [
        row
        for k in options.classes
        for row in measure(contenders, options.batches, k, options.runs, options.only)
    ]
    arguments = " ".join("PYTHON" if word == options.tfa else word for word in sys.argv[1:])
    today, machine = datetime.date.today(), _machine()
    commands = [f"`python benchmarks/losses.py {arguments}`, {today}, {machine}, {_versions()}.\n"]
    if options.add:
        earlier = json.loads(options.out.with_suffix(".json").read_text())
        measured = {_key(r) for r in rows}
        rows, commands = (
            [r for r in earlier["rows"] if _key(r) not in measured] + rows,
            earlier["commands"] + commands,
        )
    write(options.out, rows, commands)


def write(out: Path, rows: list[dict], commands: list[str]) -> None:
    """The chart, the tables as Markdown, and the rows as JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    order = {name: number for number, name in enumerate(("torch", "tensorflow", "tfa", "jax"))}
    rows.sort(
        key=lambda r: (
            r["per_class"] != 4,
            r["per_class"],
            order[r["framework"]],
            r["name"] != "floor",
            r["name"],
            r["batch"],
        )
    )
    chart([r for r in rows if r["per_class"] == rows[0]["per_class"]], out.with_suffix(".png"))
    parts = [
        "# Benchmarks\n",
        *commands,
        "D = 128, float32, normalised rows; medians of forward and backward together; memory is the peak above what the",
        "process held before. `x` is times the floor: three B x B x D matrix products in the same framework. Compare rows",
        "of one command with each other: the machine's speed differs from day to day, by a factor of two here.\n",
        f"![time against batch size]({out.name}.png)\n",
        _WHAT_IS_LEFT,
    ]
    for k in dict.fromkeys(r["per_class"] for r in rows):
        batches = sorted({r["batch"] for r in rows if r["per_class"] == k})
        parts += [f"## {k} per class\n", table(rows, k, batches), "", ratios(rows, k), ""]
    out.with_suffix(".md").write_text("\n".join(parts))
    out.with_suffix(".json").write_text(json.dumps({"commands": commands, "rows": rows}, indent=1))


def _key(row: dict) -> tuple:
    return row["framework"], row["name"], row["batch"], row["per_class"]


def _machine() -> str:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), {gigabytes:.0f} GB, Python {platform.python_version()}"


def _versions() -> str:
    from importlib import metadata

    names = ["torch", "tensorflow-cpu", "jax", "pytorch-metric-learning", "sentence-transformers", "optax"]
    found = []
    for name in names:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


if __name__ == "__main__":
    main()
