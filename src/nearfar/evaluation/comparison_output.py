"""A comparison of runs as Markdown, as text and as a picture."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .comparison import Comparison, Entry

__all__ = ["markdown", "plot", "text"]


def markdown(comparison: "Comparison") -> str:
    """A table whose differences are bold where their interval leaves 0 out."""
    runs = list(comparison.entries)
    lines = ["| measure | " + " | ".join(map(_cell, runs)) + " |", "|---|" + "---|" * len(runs)]
    for name in comparison.entries[comparison.baseline]:
        cells = []
        for run in runs:
            entry = comparison.entries[run][name]
            cell = _value(entry)
            if run != comparison.baseline:
                mark = "**" if entry.differs else ""
                cell += f"<br>{mark}{_difference(entry)}{mark}"
            cells.append(cell)
        lines.append(f"| {_spoken(name)} | " + " | ".join(cells) + " |")
    note = f"{_note(comparison)}; bold where its interval leaves 0 out."
    return "\n".join([*lines, "", note]) + "\n"


def text(comparison: "Comparison") -> str:
    """Lines for a terminal; differences have a star where their interval leaves 0 out."""
    runs = list(comparison.entries)
    width = max(28, *(len(run) + 2 for run in runs))
    lines = [" " * 20 + "".join(f"{run:>{width}}" for run in runs)]
    for name in comparison.entries[comparison.baseline]:
        found = [comparison.entries[run][name] for run in runs]
        lines.append(f"{_spoken(name):<20}" + "".join(f"{_value(entry):>{width}}" for entry in found))
        if len(runs) > 1:
            cells = [
                "" if run == comparison.baseline else _difference(entry) + "*" * entry.differs
                for run, entry in zip(runs, found, strict=True)
            ]
            lines.append(" " * 20 + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join([*lines, "", f"{_note(comparison)}; * where its interval leaves 0 out."])


def plot(comparison: "Comparison", path: str | os.PathLike[str], dpi: int) -> None:
    """Values and paired differences with their intervals, side by side."""
    from ..visualize.style import COLORS, FAINT, figure, shown

    names, runs = list(comparison.entries[comparison.baseline]), list(comparison.entries)
    base = shown(comparison.baseline, 40)
    height = 0.9 + len(names) * (0.16 + 0.16 * len(runs))
    under = (
        f"{comparison.confidence:.0%} bootstrap intervals over {_drawn(comparison)}; differences are paired"
    )
    with figure(path, 10.0, height, f"Compared with {base}", under, dpi=dpi) as canvas:
        values, differences = canvas.subplots(1, 2, sharey=True)
        for i, run in enumerate(runs):
            at = np.arange(len(names)) + (i - (len(runs) - 1) / 2) * 0.7 / len(runs)
            found = [comparison.entries[run][name] for name in names]
            color = COLORS[i % len(COLORS)]
            _whiskers(values, [(e.value, e.interval) for e in found], at, color, shown(run, 40))
            if run != comparison.baseline:
                gaps = [(e.difference, e.difference_interval) for e in found]
                _whiskers(differences, gaps, at, color, None)
        differences.axvline(0, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        values.set_yticks(np.arange(len(names)), [_spoken(name) for name in names])
        values.invert_yaxis()
        values.set_xlabel("value")
        differences.set_xlabel(f"difference from {base}")
        for axes in (values, differences):
            axes.grid(axis="x")
            axes.locator_params(axis="x", nbins=6)  # more labels would touch
        values.legend(loc="best", fontsize=9)


def _whiskers(
    axes: Any, found: list[tuple[float, tuple[float, float]]], at: Any, color: str, label: Any
) -> None:
    low, high = np.array([interval for _, interval in found]).T
    axes.hlines(at, low, high, color=color, linewidth=2)
    axes.plot([value for value, _ in found], at, "o", color=color, markersize=4.5, label=label)


def _value(entry: "Entry") -> str:
    return f"{entry.value:.4f} [{entry.interval[0]:.4f}, {entry.interval[1]:.4f}]"


def _difference(entry: "Entry") -> str:
    low, high = entry.difference_interval
    return f"{entry.difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def _note(comparison: "Comparison") -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in comparison.counts.items())
    return (
        f"{counts}. Brackets: {comparison.confidence:.0%} bootstrap intervals over {_drawn(comparison)}. "
        f"Second lines: paired difference from {_cell(comparison.baseline)}"
    )


def _drawn(comparison: "Comparison") -> str:
    if comparison.by == "class":
        return "classes"
    return "queries and items" if "pairs" in comparison.counts else "queries"


def _spoken(name: str) -> str:
    """`tar_at_far_0.01` as TAR@FAR 0.01, `map_at_r` as MAP@R."""
    spoken = name.replace("tar_at_far_", "TAR@FAR ").replace("_at_", "@").replace("ndcg", "nDCG")
    fixed = {
        "r_precision": "R-precision",
        "map_at_r": "MAP@R",
        "mrr": "MRR",
        "auc": "AUC",
        "eer": "EER (low is good)",
    }
    return fixed.get(name, spoken)


def _cell(run: str) -> str:
    return run.replace("|", "\\|").replace("\n", " ")
