"""The receiver operating characteristic of accepting a pair up to a distance, and what is read off it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Roc",
    "area",
    "best_threshold",
    "equal_error",
    "roc_of",
    "shares_accepted",
    "tar_at",
    "threshold_after",
    "threshold_of_far",
]

_Floats = NDArray[np.float64]


class Roc(NamedTuple):
    """One point a distinct distance, from accepting none to accepting all."""

    fpr: _Floats  #: (m,) share of the different pairs that is accepted, rising
    tpr: _Floats  #: (m,) share of the same pairs that is accepted
    thresholds: _Floats  #: (m,) accepted up to this distance; the first is -inf


def roc_of(distances: _Floats, same: NDArray[np.bool_]) -> Roc:
    """The curve of ascending distances, both kinds of pairs present.

    Raises:
        ImportError: where scikit-learn is not installed.
    """
    try:
        from sklearn.metrics import roc_curve
    except ImportError as error:
        raise ImportError("verification needs scikit-learn: pip install scikit-learn.") from error
    fpr, tpr, scores = roc_curve(same, -distances, drop_intermediate=False)
    return Roc(fpr, tpr, -scores)


def area(fpr: _Floats, tpr: _Floats) -> float:
    """Area under the curve, straight between its points: how often a same pair is nearer than a different
    one."""
    return float((np.diff(fpr) * (tpr[1:] + tpr[:-1])).sum() / 2)


def tar_at(fpr: _Floats, tpr: _Floats, far: float) -> float:
    """The highest true-accept rate whose false-accept rate does not exceed `far`; nothing is interpolated."""
    return float(tpr[np.searchsorted(fpr, far, side="right") - 1])


def equal_error(roc: Roc) -> tuple[float, float]:
    """Where the two error rates meet, on a straight line between two points; and the nearer point's
    threshold."""
    gap = roc.fpr + roc.tpr - 1  # false accepts minus false rejects, rising from -1 to 1
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    rate = float(roc.fpr[after - 1] + share * (roc.fpr[after] - roc.fpr[after - 1]))
    nearer = after if after == 1 or share >= 0.5 else after - 1
    return rate, float(roc.thresholds[nearer])


def best_threshold(distances: _Floats, same: NDArray[np.bool_], *, balanced: bool = False) -> float:
    """The threshold with the most right decisions on ascending distances; of several the least.

    Args:
        distances: (n,) ascending.
        same: (n,) whether the pair is of one class.
        balanced: whether both kinds of pairs count half, instead of each pair as much.
    """
    if not len(distances):
        return 0.0
    kinds = max(int(same.sum()), 1), max(int((~same).sum()), 1)
    weights = np.where(same, 1 / kinds[0], -1 / kinds[1]) if balanced else np.where(same, 1, -1)
    gain = np.concatenate([[0], np.cumsum(weights)])  # of accepting the first k instead of none
    between = np.concatenate([[True], distances[1:] > distances[:-1], [True]])
    return threshold_after(distances, int(np.argmax(np.where(between, gain, -np.inf))))


def threshold_of_far(distances: _Floats, same: NDArray[np.bool_], far: float) -> float:
    """The threshold that accepts most while it accepts at most a share `far` of the different pairs.

    Args:
        distances: (n,) ascending.
        same: (n,) whether the pair is of one class.
        far: wanted false-accept rate, 0 ... 1.
    """
    different = distances[~same]
    shares = np.arange(1, len(different) + 1) / max(len(different), 1)
    allowed = int(np.searchsorted(shares, far, side="right"))
    if allowed == len(different):
        return threshold_after(distances, len(distances))
    return threshold_after(distances, int(np.searchsorted(distances, different[allowed])))


def threshold_after(distances: _Floats, count: int) -> float:
    """A threshold that accepts the first `count` of ascending distances: midway, so that rounding does not
    matter."""
    if not len(distances):
        return 0.0
    if count == len(distances):
        return float(distances[-1])
    if not count:
        return float(distances[0] - 1e-6 * max(abs(distances[0]), 1.0))
    low, high = float(distances[count - 1]), float(distances[count])
    middle = low + (high - low) / 2
    return middle if middle < high else low


def shares_accepted(
    weights: NDArray[Any], same: NDArray[np.bool_], ends: NDArray[np.int64] | None
) -> Roc | None:
    """The curve of weighted pairs in the order of their distance; None where one kind has no weight.

    Args:
        weights: (n,) how often each pair counts.
        same: (n,) whether the pair is of one class.
        ends: (m,) the last pair of each distinct distance; None where all differ.
    """
    both, right = np.cumsum(weights), np.cumsum(weights * same)
    if ends is not None:
        both, right = both[ends], right[ends]
    wrong = both - right
    if right[-1] <= 0 or wrong[-1] <= 0:
        return None
    fpr, tpr = (np.concatenate([[0.0], values / values[-1]]) for values in (wrong, right))
    return Roc(fpr, tpr, np.zeros_like(fpr))
