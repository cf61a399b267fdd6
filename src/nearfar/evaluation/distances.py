"""Float64 distances pair by pair: what every ranking and every threshold finally goes by."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NAMES", "check_distance", "distances_of_pairs", "normalised"]

NAMES = ("euclidean", "squared_euclidean", "cosine", "manhattan", "chebyshev", "dot")
_CHUNK = 1 << 20  # numbers gathered at once


def check_distance(distance: Any) -> None:
    """Raises where a distance is neither a known name nor a function."""
    if not callable(distance) and distance not in NAMES:
        raise ValueError(
            f"distance {distance!r} is not known; expected one of {', '.join(NAMES)}, or a function."
        )


def distances_of_pairs(
    left: NDArray[Any],
    right: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
    distance: str | Callable[[Any, Any], Any],
) -> NDArray[np.float64]:
    """Distances of `left[rows]` to `right[columns]`, (m,), as float64 sums over differences, in bounded
    memory.

    The cosine distance is half the squared distance of the unit vectors, which keeps the digits that 1 -
    cosine loses where they are close; it is 1 where a row is zero.
    """
    check_distance(distance)
    out = np.empty(len(rows))
    step = max(1, _CHUNK // max(1, left.shape[1]))
    if callable(distance):
        step = min(step, 256)  # a function of two sets gives (m, m), of which the diagonal is wanted
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        out[part] = _paired(left[rows[part]], right[columns[part]], distance)
    return out


def normalised(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Rows of length 1 in float64; a row of zeros stays."""
    rows = rows.astype(np.float64)
    peak = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    rows /= np.where(peak > 0, peak, 1)  # squares of 1e-200 would be 0
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows / np.where(norms > 0, norms, 1)


def _paired(
    x: NDArray[Any], y: NDArray[Any], distance: str | Callable[[Any, Any], Any]
) -> NDArray[np.float64]:
    if callable(distance):
        return np.diagonal(np.asarray(distance(x, y))).astype(np.float64)
    if distance == "dot":
        return -np.einsum("nd,nd->n", x.astype(np.float64), y.astype(np.float64))
    if distance == "cosine":
        x, y = normalised(x), normalised(y)
        empty = ~(x.any(axis=1) & y.any(axis=1))
        return np.where(empty, 1.0, 0.5 * np.einsum("nd,nd->n", x - y, x - y))
    difference = x.astype(np.float64)
    difference -= y
    if distance == "manhattan":
        total = np.zeros(len(x))
        for column in np.abs(
            difference
        ).T:  # in the order of the block-wise sums, so that both agree to the last bit
            total += column
        return total
    if distance == "chebyshev":
        return np.abs(difference).max(axis=1, initial=0)
    squared = np.einsum("nd,nd->n", difference, difference)
    return np.sqrt(squared) if distance == "euclidean" else squared
