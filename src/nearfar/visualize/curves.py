"""Training curves from the rows of metrics.csv."""

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .style import COLORS, FAINT, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNSHOWN = (
    "epoch",
    "step",
    "time",
    "seconds",
    "date",
    "duration",
    "learning_rate",
    "lr",
    "images_per",
    "memory",
)


def plot_curves(
    path: str | os.PathLike[str],
    metrics: str | os.PathLike[str] | Iterable[Mapping[str, Any]] | Mapping[str, Any],
    *,
    title: str = "Training",
    dpi: int = 160,
) -> None:
    """Draw what training measured, an epoch at a time.

    Columns whose names hold `loss` share a panel, those with `distance` another, those with `fraction` a
    third, and the rest, on a scale of 0 to 1, the last; a panel without columns is left out, and so are
    times, steps and the learning rate. The best epoch of each validation curve is marked.

    Args:
        path: the file to write; its ending names the format.
        metrics: a CSV file with a header, or its rows as mappings, or a mapping of columns. `epoch` numbers
            the rows, which are counted from 1 without it; cells that are empty or not numbers are gaps.
        title: above the picture.
        dpi: pixels an inch; the picture is about 4 inches wide a panel.

    Raises:
        ImportError: where matplotlib is not installed.
        ValueError: where there are no rows or no columns of numbers.

    Example:
        >>> plot_curves("/tmp/curves.png", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.3}])
    """
    columns = _columns(metrics)
    epochs = columns.get(
        "epoch", np.arange(1, 1 + max((len(c) for c in columns.values()), default=0), dtype=float)
    )
    panels = _panels(columns)
    if not len(epochs) or not panels:
        raise ValueError(
            "metrics has no rows with numbers; expected at least one epoch with a loss or a measure."
        )
    under = f"{len(epochs)} epochs" if len(epochs) > 1 else "1 epoch"
    with figure(path, max(5.2, 4.1 * len(panels)), 3.7, title, under, dpi=dpi) as canvas:
        for axes, (name, curves) in zip(
            canvas.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            _draw(axes, name, epochs, {key: columns[key] for key in curves})


def _columns(metrics: Any) -> dict[str, NDArray[np.float64]]:
    if isinstance(metrics, str | os.PathLike):
        with Path(metrics).open(newline="", encoding="utf-8") as file:
            metrics = list(csv.DictReader(file))
    if not isinstance(metrics, Mapping):
        rows = list(metrics)
        names = dict.fromkeys(name for row in rows for name in row)
        metrics = {name: [row.get(name) for row in rows] for name in names}
    return {str(name): np.array([_number(v) for v in values]) for name, values in metrics.items()}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _panels(columns: Mapping[str, NDArray[np.float64]]) -> dict[str, list[str]]:
    panels: dict[str, list[str]] = {"Loss": [], "Distance": [], "Fraction of terms": [], "Validation": []}
    for name, values in columns.items():
        low = name.lower()
        if any(word in low for word in _UNSHOWN) or not np.isfinite(values).any():
            continue
        if "loss" in low:
            panels["Loss"].append(name)
        elif "distance" in low:
            panels["Distance"].append(name)
        elif "fraction" in low:
            panels["Fraction of terms"].append(name)
        else:
            panels["Validation"].append(name)
    return {name: found for name, found in panels.items() if found}


def _draw(
    axes: "Axes", name: str, epochs: NDArray[np.float64], curves: Mapping[str, NDArray[np.float64]]
) -> None:
    axes.set_title(name)
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("epoch")
    for i, (key, values) in enumerate(curves.items()):
        seen = np.isfinite(values)
        color = COLORS[i % len(COLORS)]
        marker = "o" if seen.sum() <= 12 else None
        axes.plot(epochs[seen], values[seen], color=color, marker=marker, markersize=4, label=_words(key))
        if name == "Validation" and seen.any():
            best = np.flatnonzero(seen)[values[seen].argmax()]
            axes.plot(
                epochs[best],
                values[best],
                "o",
                markersize=8,
                markerfacecolor="white",
                markeredgewidth=2,
                color=color,
            )
            # below where another curve is above, whose point the number would cover
            covered = any(other[best] > values[best] for other in curves.values())
            axes.annotate(
                f"{values[best]:.3f}", (epochs[best], values[best]), (0, -17 if covered else 9), textcoords="offset points",
                ha="center", fontsize=9, color=FAINT, fontweight="bold",
            )  # fmt: skip
    axes.margins(x=0.06, y=0.14)
    if name == "Fraction of terms":
        axes.set_ylim(0, 1.02)
    elif all(np.nanmin(v) >= 0 for v in curves.values()):
        axes.set_ylim(bottom=0)
    whole = len(epochs) <= 10
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[attr-defined]  # an AutoLocator has it
    if whole:
        axes.set_xticks(epochs)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2 if len(curves) > 1 else 1, fontsize=9
    )


def _words(key: str) -> str:
    return key.replace("val_", "", 1).replace("_", " ") + (
        " (validation)" if key.startswith("val_loss") else ""
    )
