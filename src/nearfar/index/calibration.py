"""A threshold for a wanted false-accept rate or precision, from labelled data."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..evaluation.arrays import as_codes
from ..evaluation.neighbors import nearest
from ..evaluation.pairs import cross_pairs
from ..evaluation.roc import threshold_after, threshold_of_far
from ..evaluation.space import Space

__all__ = ["Goal", "calibrate", "goal"]


class Goal(NamedTuple):
    """What the threshold is to hold."""

    name: str  #: "far" or "precision"
    value: float  #: 0 ... 1


def goal(far: float | None, precision: float | None) -> Goal:
    """What a caller asks for: a precision, a false-accept rate, or one of 1e-3."""
    if precision is None:
        return Goal("far", 1e-3 if far is None else far)
    if far is not None:
        raise ValueError("calibrate takes far= or precision=, not both.")
    return Goal("precision", precision)


def calibrate(
    space: Space,
    labels: NDArray[Any],
    queries: NDArray[Any] | None,
    query_labels: NDArray[Any] | None,
    wanted: Goal,
    seed: int,
) -> dict[str, Any]:
    """The threshold, and what it does to the pairs, and for a precision to the queries, as plain numbers.

    Args:
        space: the rows of the index.
        labels: (n,) theirs.
        queries: (q, d), or None for the rows themselves, each against the others.
        query_labels: (q,), or None likewise.
        wanted: what to hold.
        seed: of the sample of pairs.

    Raises:
        ValueError: a goal outside 0 ... 1, or nothing to calibrate on.
    """
    if not 0 <= wanted.value <= 1:
        raise ValueError(f"{wanted.name} is {wanted.value}; expected a share between 0 and 1.")
    if query_labels is None or queries is None:
        codes = as_codes(labels)[1][0]
        query_codes, asked = codes, space.references
    else:
        (codes, query_codes), asked = as_codes(labels, query_labels)[1], queries
    left, right, same = cross_pairs(query_codes, codes, queries is None, seed)
    distances = space.pairs(asked, left, right)
    order = np.argsort(distances, kind="stable")
    distances, same = distances[order], same[order]
    negatives, positives = int((~same).sum()), int(same.sum())
    found: dict[str, Any] = {"by": wanted.name, "wanted": float(wanted.value)}
    if wanted.name == "far":
        if not negatives:
            raise ValueError(
                "There is no pair of different classes to calibrate on; expected two classes or more."
            )
        if 0 < wanted.value < 1 / negatives:
            warnings.warn(
                f"far={wanted.value:g} is below 1 / {negatives}, the least rate that these pairs show; "
                "the threshold accepts none of them.",
                stacklevel=3,
            )
        found["threshold"] = threshold_of_far(distances, same, wanted.value)
    else:
        found |= _for_precision(space, asked, query_codes, codes, queries is None, wanted.value)
    accepted = distances <= found["threshold"]
    found["far"] = float(accepted[~same].mean()) if negatives else 0.0
    found["frr"] = float((~accepted[same]).mean()) if positives else 0.0
    return {**found, "negatives": negatives, "positives": positives}


def _for_precision(
    space: Space,
    queries: NDArray[Any],
    query_codes: NDArray[np.int64],
    codes: NDArray[np.int64],
    itself: bool,
    wanted: float,
) -> dict[str, Any]:
    distances, rows = nearest(space, queries, 1, leave_out=np.arange(len(queries)) if itself else None)
    if not rows.size:
        raise ValueError("There is no other row to match with; expected an index of at least two rows.")
    right = codes[rows[:, 0]] == query_codes
    order = np.argsort(distances[:, 0], kind="stable")
    ascending, hits = distances[order, 0], np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    last = np.append(ascending[1:] > ascending[:-1], True)  # equal distances are accepted together
    good = np.flatnonzero(last & (precision >= wanted))
    matched = int(good[-1]) + 1 if len(good) else 0
    return {
        "threshold": threshold_after(ascending, matched),
        "precision": float(precision[matched - 1]) if matched else 0.0,
        "coverage": matched / len(hits),
        "queries": len(hits),
    }
