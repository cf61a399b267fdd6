"""The nearest of an embedding, and the pairs that fool it, exactly and in blocks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.neighbors import nearest
from ..evaluation.space import Space
from .inputs import as_array, as_embeddings

Distance = str | Callable[[Any, Any], Any]
Found = tuple[NDArray[np.float32], NDArray[np.int32]]
Pair = tuple[int, int, float]
_BLOCK = 1 << 23  # distances held at once


def nearest_neighbors(
    embeddings: Any, k: int = 10, *, distance: Distance = "euclidean", queries: Any = None
) -> Found:
    """For rows of the embeddings, the k nearest others in the space itself, not in a projection.

    Args:
        embeddings: (n, d) floats, of any framework.
        k: how many; cut to n - 1.
        distance: `"euclidean"`, `"squared_euclidean"`, `"cosine"`, `"manhattan"`, `"chebyshev"`, `"dot"`, or
            a function of (a, d), (r, d) to (a, r).
        queries: positions of the rows to ask for, (q,) integers; None for all.

    Returns:
        distances (q, k) float32 and positions (q, k) int32, nearest first; equally near ones in the order of
        their position.

    Raises:
        ValueError: for an unknown distance, or NaN or infinity in the embeddings.

    Example:
        >>> distances, positions = nearest_neighbors([[0.0], [1.0], [3.0]], 2)
        >>> positions.tolist()
        [[1, 2], [0, 2], [1, 0]]
    """
    rows = as_embeddings(embeddings)
    asked = np.arange(len(rows)) if queries is None else as_array(queries).astype(np.int64).reshape(-1)
    space = Space(rows, distance, dtype=np.float32)
    distances, positions = nearest(space, rows[asked], k, leave_out=asked)
    return distances.astype(np.float32), positions.astype(np.int32)


def nearest_of_another_class(
    rows: NDArray[np.float32], codes: NDArray[np.int64], most: int, distance: Distance = "euclidean"
) -> list[Pair]:
    """The nearest pairs of different classes, no item twice, nearest first: (left, right, distance)."""
    return _extreme(rows, codes, most, distance, alike=False)


def farthest_of_the_same(
    rows: NDArray[np.float32], codes: NDArray[np.int64], most: int, distance: Distance = "euclidean"
) -> list[Pair]:
    """The farthest pairs of one class, no item twice, farthest first: (left, right, distance)."""
    return _extreme(rows, codes, most, distance, alike=True)


def _extreme(
    rows: NDArray[np.float32], codes: NDArray[np.int64], most: int, distance: Distance, *, alike: bool
) -> list[Pair]:
    """The farthest pairs of one class (`alike`) or the nearest of different ones."""
    space = Space(rows, distance)
    # at most 2 (most - 1) items are in use while pairs are still taken, so each item needs so many candidates
    # and one more; rounding in the products is met by a few to spare
    kept = min(2 * most + 8, len(rows))
    lefts, rights = [], []
    step = max(1, _BLOCK // max(len(rows), 1))
    for start in range(0, len(rows), step):
        asked = np.arange(start, min(start + step, len(rows)))
        values, _ = space.block(rows[asked])
        same = codes[asked][:, None] == codes
        values = np.where(same == alike, -values if alike else values, np.inf)
        values[np.arange(len(asked)), asked] = np.inf
        near = np.argpartition(values, kept - 1, axis=1)[:, :kept]
        row, place = np.nonzero(np.isfinite(np.take_along_axis(values, near, axis=1)))
        lefts.append(asked[row])
        rights.append(near[row, place])
    left, right = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (lefts, rights))
    once = np.unique(np.stack([np.minimum(left, right), np.maximum(left, right)]), axis=1)
    gaps = space.pairs(rows, once[0], once[1])
    return _no_item_twice(once, gaps, np.argsort(-gaps if alike else gaps, kind="stable"), most)


def _no_item_twice(
    pairs: NDArray[np.int64], gaps: NDArray[np.float64], order: NDArray[np.int64], most: int
) -> list[Pair]:
    used: set[int] = set()
    found: list[Pair] = []
    for left, right, gap in zip(*pairs[:, order].tolist(), gaps[order].tolist(), strict=True):
        if len(found) == most:
            break
        if left not in used and right not in used:
            used |= {left, right}
            found.append((left, right, gap))
    return found
