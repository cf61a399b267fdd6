"""Same or different: the ROC and the two histograms of distances."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.pairs import ALL, Pairs, all_pairs, sampled_pairs
from ..evaluation.roc import Roc, area, equal_error, roc_of
from .inputs import as_embeddings, as_labels, class_codes
from .neighbors import Distance
from .style import COLORS, FAINT, INK, distance_name, figure


def plot_roc(
    path: str | os.PathLike[str],
    embeddings: Any,
    labels: Any,
    *,
    untrained: Any = None,
    raw: Any = None,
    distance: Distance = "euclidean",
    seed: int = 0,
    title: str = "Same or different?",
    dpi: int = 160,
) -> None:
    """Draw the receiver operating characteristic of "same class" decided by a threshold on the distance.

    The false-accept axis is logarithmic, since what verification is asked for lies at its small end. All
    pairs are taken up to five million, else a seeded sample of a million.

    Args:
        path: the file to write; its ending names the format.
        embeddings: (n, d) floats, of any framework.
        labels: (n,) integers or texts.
        untrained: (n, d2) embeddings before training, for a second curve.
        raw: (n, d3) input itself, for a third.
        distance: as in `nearest_neighbors`; of the raw input always Euclidean.
        seed: of the sample of pairs.
        title: above the picture.
        dpi: pixels an inch; the picture is 6.4 x 5.65 inches.

    Raises:
        ImportError: where matplotlib or scikit-learn is not installed.
        ValueError: where shapes do not fit, or there is no pair of the same class or none of different
            classes.

    Example:
        >>> plot_roc("/tmp/roc.png", [[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1])
    """
    curves = _gathered(embeddings, labels, untrained, raw, distance, seed)
    with figure(path, 6.4, 4.9, title, _counted(curves), dpi=dpi) as canvas:
        axes = canvas.subplots()
        floor = max(1e-5, 1 / int((~next(iter(curves.values())).same).sum()))
        for color, (name, pairs) in zip(COLORS, curves.items(), strict=False):
            curve = _curve(pairs)
            rate, _ = equal_error(curve)
            label = f"{name}: AUC {area(curve.fpr, curve.tpr):.3f}, EER {100 * rate:.1f} %"
            axes.plot(*_thinned(curve, floor), color=color, label=label, drawstyle="steps-post")
        chance = np.geomspace(floor, 1, 200)
        axes.plot(chance, chance, color=FAINT, linewidth=1.2, linestyle=(0, (4, 3)), label="chance")
        axes.set_xscale("log")
        axes.set_xlim(floor, 1)
        axes.set_ylim(0, 1.01)
        axes.grid()
        axes.set_xlabel("false-accept rate: different taken for same")
        axes.set_ylabel("true-accept rate: same taken for same")
        axes.legend(loc="upper left" if floor > 0.02 else "best", fontsize=9.5)


def plot_histogram(
    path: str | os.PathLike[str],
    embeddings: Any,
    labels: Any,
    *,
    untrained: Any = None,
    raw: Any = None,
    distance: Distance = "euclidean",
    seed: int = 0,
    title: str = "How far apart are same and different?",
    dpi: int = 160,
) -> None:
    """Draw the distances between items of the same class over those between different ones.

    Each histogram has area 1, so that the two compare although pairs of different classes are far more. The
    line marks the threshold at which both kinds of error are equally frequent.

    Args:
        path: the file to write; its ending names the format.
        embeddings: (n, d) floats, of any framework.
        labels: (n,) integers or texts.
        untrained: (n, d2) embeddings before training, for a panel above.
        raw: (n, d3) input itself, for another.
        distance: as in `nearest_neighbors`; of the raw input always Euclidean.
        seed: of the sample of pairs, where there are more than five million.
        title: above the picture.
        dpi: pixels an inch; the picture is 7.2 inches wide.

    Raises:
        ImportError: where matplotlib or scikit-learn is not installed.
        ValueError: where shapes do not fit, or there is no pair of the same class or none of different
            classes.

    Example:
        >>> plot_histogram("/tmp/histogram.png", [[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1])
    """
    curves = _gathered(embeddings, labels, untrained, raw, distance, seed)
    with figure(path, 7.2, 0.8 + 2.0 * len(curves), title, _counted(curves), dpi=dpi) as canvas:
        panels = canvas.subplots(len(curves), 1, squeeze=False)[:, 0]
        # untrained above trained: read downwards, training pulls the two apart
        for axes, (name, pairs) in zip(panels, reversed(curves.items()), strict=True):
            low, high = min(0.0, pairs.distances.min()), pairs.distances.max()
            edges = np.linspace(low, high + 1e-3 * (high - low) + 1e-12, 81)
            for kept, color, kind in (
                (~pairs.same, COLORS[1], "different class"),
                (pairs.same, COLORS[0], "same class"),
            ):
                density, _ = np.histogram(pairs.distances[kept], edges, density=True)
                axes.stairs(density, edges, fill=True, color=color, alpha=0.45)
                axes.stairs(density, edges, color=color, linewidth=1.6, label=kind)
            error, threshold = equal_error(_curve(pairs))
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{threshold:.3g}: {100 * error:.1f} % wrong either way", (threshold, 0.97), (5, 0),
                xycoords=("data", "axes fraction"), textcoords="offset points", va="top", fontsize=9,
            )  # fmt: skip
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.set_xlim(edges[0], edges[-1])
            axes.margins(y=0.18)
            if len(curves) > 1:
                axes.set_title(name)
        panels[-1].set_xlabel(distance_name(distance))
        panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, fontsize=9.5)


def _gathered(
    embeddings: Any, labels: Any, untrained: Any, raw: Any, distance: Distance, seed: int
) -> dict[str, Pairs]:
    given = {"Trained": as_embeddings(embeddings)}
    rows = len(given["Trained"])
    if untrained is not None:
        given["Untrained"] = as_embeddings(untrained, "untrained")
    if raw is not None:
        given["Raw input"] = as_embeddings(raw, "raw")
    _, codes = class_codes(as_labels(labels, rows))
    out: dict[str, Pairs] = {}
    for name, panel in given.items():
        if len(panel) != rows:
            raise ValueError(
                f"{name.lower()} has {len(panel)} rows but embeddings has {rows}; expected as many."
            )
        kind = "euclidean" if name == "Raw input" else distance
        few = rows * (rows - 1) // 2 <= ALL
        pairs = all_pairs(panel, codes, kind) if few else sampled_pairs(panel, codes, kind, seed)
        if pairs.same.all() or not pairs.same.any():
            missing = "different classes" if pairs.same.any() else "the same class"
            raise ValueError(
                f"labels has {rows} rows and no pair of {missing}; expected at least one of each kind."
            )
        out[name] = pairs
    return out


def _curve(pairs: Pairs) -> Roc:
    order = np.argsort(pairs.distances)
    return roc_of(pairs.distances[order], pairs.same[order])


def _thinned(curve: Roc, floor: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Some thousand points of the curve, even along either axis: what the eye can tell apart."""
    wanted = np.concatenate([np.geomspace(floor, 1, 1500), np.linspace(floor, 1, 1500)])
    taken = np.concatenate([
        np.searchsorted(curve.fpr, wanted, side="right") - 1,
        np.searchsorted(curve.tpr, np.linspace(0, 1, 1500)),
        [0, len(curve.fpr) - 1],
    ])  # fmt: skip
    taken = np.unique(taken)
    return curve.fpr[taken], curve.tpr[taken]


def _counted(curves: dict[str, Pairs]) -> str:
    same = next(iter(curves.values())).same
    return f"{same.sum():,} pairs of the same class, {(~same).sum():,} of different classes"
