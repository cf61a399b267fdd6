"""Same or different: the ROC and the two histograms of distances."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .inputs import as_embeddings, as_labels, class_codes
from .neighbors import check_distance
from .style import COLORS, FAINT, INK, figure

_MOST = 400_000  # pairs of each kind; more do not change a picture
Distances = tuple[
    NDArray[np.float64], NDArray[np.float64]
]  # of pairs of the same class, and of different classes


def plot_roc(
    path: str | os.PathLike[str],
    embeddings: Any,
    labels: Any,
    *,
    untrained: Any = None,
    raw: Any = None,
    distance: str = "euclidean",
    seed: int = 0,
    title: str = "Same or different?",
    dpi: int = 160,
) -> None:
    """Draw the receiver operating characteristic of "same class" decided by a threshold on the distance.

    The false-accept axis is logarithmic, since what verification is asked for lies at its small end. All
    pairs are taken where they are at most 400,000 of a kind, else a seeded sample of so many.

    Args:
        path: the file to write; its ending names the format.
        embeddings: (n, d) floats, of any framework.
        labels: (n,) integers or texts.
        untrained: (n, d2) embeddings before training, for a second curve.
        raw: (n, d3) input itself, for a third.
        distance: `"euclidean"`, `"squared_euclidean"` or `"cosine"`; of the raw input always euclidean.
        seed: of the sample of pairs.
        title: above the picture.
        dpi: pixels an inch; the picture is 6.4 x 5.65 inches.

    Raises:
        ImportError: where matplotlib is not installed.
        ValueError: where shapes do not fit, or there is no pair of the same class or none of different
            classes.

    Example:
        >>> plot_roc("/tmp/roc.png", [[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1])
    """
    curves = _gathered(embeddings, labels, untrained, raw, distance, seed)
    with figure(path, 6.4, 4.9, title, _counted(curves), dpi=dpi) as canvas:
        axes = canvas.subplots()
        least = 1.0
        for color, (name, (same, different)) in zip(COLORS, curves.items(), strict=False):
            accepted_wrongly, accepted = roc(same, different)
            least = min(least, 1 / len(different))
            area = float(np.trapezoid(accepted, accepted_wrongly))
            error = equal_error_rate(accepted_wrongly, accepted)
            label = f"{name}: AUC {area:.3f}, EER {100 * error:.1f} %"
            axes.plot(accepted_wrongly, accepted, color=color, label=label, drawstyle="steps-post")
        floor = max(least, 1e-5)
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
    distance: str = "euclidean",
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
        distance: `"euclidean"`, `"squared_euclidean"` or `"cosine"`; of the raw input always euclidean.
        seed: of the sample of pairs, where there are more than 400,000 of a kind.
        title: above the picture.
        dpi: pixels an inch; the picture is 7.2 inches wide.

    Raises:
        ImportError: where matplotlib is not installed.
        ValueError: where shapes do not fit, or there is no pair of the same class or none of different
            classes.

    Example:
        >>> plot_histogram("/tmp/histogram.png", [[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1])
    """
    curves = _gathered(embeddings, labels, untrained, raw, distance, seed)
    with figure(path, 7.2, 0.8 + 2.0 * len(curves), title, _counted(curves), dpi=dpi) as canvas:
        panels = canvas.subplots(len(curves), 1, squeeze=False)[:, 0]
        # untrained above trained: read downwards, training pulls the two apart
        for axes, (name, (same, different)) in zip(panels, reversed(curves.items()), strict=True):
            edges = np.linspace(0, max(same.max(), different.max(), 1e-9) * 1.001, 81)
            for values, color, kind in (
                (different, COLORS[1], "different class"),
                (same, COLORS[0], "same class"),
            ):
                density, _ = np.histogram(values, edges, density=True)
                axes.stairs(density, edges, fill=True, color=color, alpha=0.45)
                axes.stairs(density, edges, color=color, linewidth=1.6, label=kind)
            threshold, error = equal_error_threshold(same, different)
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
        panels[-1].set_xlabel(f"{distance.replace('_', ' ')} distance".capitalize())
        panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, fontsize=9.5)


def roc(
    same: NDArray[np.float64], different: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False-accept and true-accept rates at every distinct threshold, from none accepted to all.

    Args:
        same: distances of pairs of the same class, (p,).
        different: distances of pairs of different classes, (q,).

    Returns:
        false-accept rates and true-accept rates, both rising from 0 to 1, one entry a distinct distance and
        one more.

    Example:
        >>> roc(np.array([1.0]), np.array([2.0]))
        (array([0., 0., 1.]), array([0., 1., 1.]))
    """
    thresholds = np.unique(np.concatenate([same, different]))
    wrongly = np.searchsorted(np.sort(different), thresholds, side="right") / len(different)
    rightly = np.searchsorted(np.sort(same), thresholds, side="right") / len(same)
    return np.concatenate([[0.0], wrongly]), np.concatenate([[0.0], rightly])


def equal_error_rate(accepted_wrongly: NDArray[np.float64], accepted: NDArray[np.float64]) -> float:
    """Where false accepts are as frequent as false rejects, between two thresholds by a straight line."""
    gap = accepted_wrongly - (1 - accepted)
    after = int(np.argmax(gap >= 0))
    if after == 0:
        return float(accepted_wrongly[0])
    part = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(accepted_wrongly[after - 1] + part * (accepted_wrongly[after] - accepted_wrongly[after - 1]))


def equal_error_threshold(same: NDArray[np.float64], different: NDArray[np.float64]) -> tuple[float, float]:
    """The distance at which the two error rates come nearest, and the equal error rate."""
    wrongly, rightly = roc(same, different)
    thresholds = np.unique(np.concatenate([same, different]))
    nearest = int(np.abs(wrongly[1:] - (1 - rightly[1:])).argmin())
    return float(thresholds[nearest]), equal_error_rate(wrongly, rightly)


def _gathered(
    embeddings: Any, labels: Any, untrained: Any, raw: Any, distance: str, seed: int
) -> dict[str, Distances]:
    given = {"Trained": as_embeddings(embeddings)}
    rows = len(given["Trained"])
    if untrained is not None:
        given["Untrained"] = as_embeddings(untrained, "untrained")
    if raw is not None:
        given["Raw input"] = as_embeddings(raw, "raw")
    _, codes = class_codes(as_labels(labels, rows))
    same, different = pairs(codes, seed)
    out = {}
    for name, panel in given.items():
        if len(panel) != rows:
            raise ValueError(
                f"{name.lower()} has {len(panel)} rows but embeddings has {rows}; expected as many."
            )
        kind = "euclidean" if name == "Raw input" else distance
        out[name] = (_distances(panel, *same, kind), _distances(panel, *different, kind))
    return out


def pairs(codes: NDArray[np.int64], seed: int, most: int = _MOST) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Positions (left, right) of pairs of the same class, and of different classes; at most `most` of each.

    All where they are few; else a sample, uniform over the pairs, with replacement.

    Raises:
        ValueError: where a kind has no pair.
    """
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes).astype(np.int64)
    of_same = int((counts * (counts - 1) // 2).sum())
    of_different = len(codes) * (len(codes) - 1) // 2 - of_same
    if not of_same or not of_different:
        kind = "the same class" if not of_same else "different classes"
        raise ValueError(
            f"labels has {len(codes)} rows and no pair of {kind}; expected at least one of each kind."
        )
    random = np.random.default_rng(seed)
    if max(of_same, of_different) <= most:
        left, right = np.triu_indices(len(codes), 1)
        alike = codes[left] == codes[right]
        return (left[alike], right[alike]), (left[~alike], right[~alike])
    weights = counts * (counts - 1) / (2 * of_same)
    classes = random.choice(len(counts), min(most, of_same), p=weights)
    first = (random.random(len(classes)) * counts[classes]).astype(np.int64)
    second = (random.random(len(classes)) * (counts[classes] - 1)).astype(np.int64)
    second += second >= first  # never an item with itself
    starts = np.cumsum(counts) - counts
    same = order[starts[classes] + first], order[starts[classes] + second]
    drawn = random.integers(len(codes), size=(2, 0))
    while drawn.shape[1] < min(most, of_different):
        more = random.integers(len(codes), size=(2, most))
        drawn = np.concatenate([drawn, more[:, codes[more[0]] != codes[more[1]]]], axis=1)
    return same, (drawn[0][:most], drawn[1][:most])


def _distances(
    rows: NDArray[np.float32], left: Any, right: Any, distance: str, block: int = 65536
) -> NDArray[np.float64]:
    check_distance(distance)
    if distance == "cosine":
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    out = np.empty(len(left))
    for start in range(0, len(left), block):
        part = slice(start, start + block)
        out[part] = ((rows[left[part]] - rows[right[part]]) ** 2).sum(axis=1, dtype=np.float64)
    return np.sqrt(out) if distance == "euclidean" else out / 2 if distance == "cosine" else out


def _counted(curves: dict[str, Distances]) -> str:
    same, different = next(iter(curves.values()))
    return f"{len(same):,} pairs of the same class, {len(different):,} of different classes"
