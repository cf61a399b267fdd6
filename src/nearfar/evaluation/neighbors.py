"""The nearest references of each query, exactly, in blocks of bounded memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .space import Space

__all__ = ["nearest"]

_ROWS, _COLUMNS = 1024, 16384  # a block of float32 distances takes 64 MB
_CROWD = 4096  # candidates of a query in one block beyond which ties are settled at once


def nearest(
    space: Space,
    queries: NDArray[Any],
    k: int,
    *,
    leave_out: NDArray[np.int64] | None = None,
    among: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The k nearest references of each query; equally near ones in the order of their position.

    A bound on the k-th smallest value of a row comes from the least values of groups of columns. What does
    not exceed it by more than the rounding error is a candidate, and candidates are compared by their float64
    distance.

    Args:
        space: the references.
        queries: (q, d).
        k: how many; cut to the number of references there are.
        leave_out: (q,) a reference that is not a neighbour of the query, such as itself.
        among: (m,) ascending positions of the references to search; all when left out.

    Returns:
        (q, k) float64 distances, ascending, and (q, k) positions.
    """
    count = len(space.references) if among is None else len(among)
    k = max(0, min(k, count - (leave_out is not None)))
    distances, positions = np.zeros((len(queries), k)), np.zeros((len(queries), k), np.int64)
    if k:
        step = max(1, min(_ROWS, (1 << 24) // (16 * k)))  # a large k takes memory too
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            left_out = None if leave_out is None else leave_out[part]
            distances[part], positions[part] = _nearest(space, queries[part], k, left_out, among, count)
    return distances, positions


def _nearest(
    space: Space,
    queries: NDArray[Any],
    k: int,
    leave_out: NDArray[np.int64] | None,
    among: NDArray[np.int64] | None,
    count: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    best = np.full((len(queries), k), np.inf)
    found: list[tuple[NDArray[Any], ...]] = []
    # a block takes some time whatever its size: wide ones for few queries, where its columns need no copy
    few = max(1, _ROWS // (16 * len(queries))) if among is None and space.by_product else 1
    width = _COLUMNS * few
    room = np.empty(len(queries) * min(width, count), space.dtype)
    for start in range(0, count, width):
        stop = min(start + width, count)
        columns = slice(start, stop) if among is None else among[start:stop]
        values, error = space.block(queries, columns, out=room)
        if leave_out is not None:
            own = leave_out - start if among is None else np.searchsorted(among, leave_out) - start
            rows = np.flatnonzero((own >= 0) & (own < stop - start))
            rows = rows if among is None else rows[columns[own[rows]] == leave_out[rows]]  # type: ignore[index]
            values[rows, own[rows]] = np.inf
        passing = values <= _limit(best, error, values.dtype)[:, None]
        loose = np.count_nonzero(passing) > 8 * k * len(values)
        if loose:
            best = _smallest(best, _least(values, max(512, 8 * k)))
            passing = values <= _limit(best, error, values.dtype)[:, None]
        taken = np.flatnonzero(passing)
        rows, places = np.divmod(taken, values.shape[1])
        near = values.reshape(-1)[taken]
        if not loose:
            best = _smallest(best, _padded(rows, near, len(values)))
        positions = places + start if among is None else among[start + places]
        kept = near < np.inf
        found.append(_thinned(space, queries, k, rows[kept], positions[kept], near[kept]))
    rows, positions, near = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = near <= _limit(best, error, near.dtype)[rows]  # type: ignore[possibly-undefined]
    rows, positions, near = rows[kept], positions[kept], near[kept]
    distances = space.pairs(queries, rows, positions) if space.by_product else near.astype(np.float64)
    order = np.lexsort((positions, distances, rows))
    first = np.searchsorted(rows[order], np.arange(len(queries)))
    chosen = order[first[:, None] + np.arange(k)]
    return distances[chosen], positions[chosen]


def _least(values: NDArray[Any], groups: int) -> NDArray[Any]:
    """The least value of each of some groups of columns: their k-th smallest is no less than that of all."""
    size = max(1, values.shape[1] // groups)
    used = values.shape[1] // size * size
    return values[:, :used].reshape(len(values), size, -1).min(axis=1)


def _padded(rows: NDArray[Any], near: NDArray[Any], count: int) -> NDArray[Any]:
    """Values of ascending rows as a matrix, filled with infinity."""
    counts = np.bincount(rows, minlength=count)
    out = np.full((count, int(counts.max(initial=0))), np.inf)
    out[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = near
    return out


def _smallest(best: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """The smallest of both, as many as `best` has columns; the last is the largest of them."""
    k = best.shape[1]
    return np.partition(np.concatenate([best, more], axis=1), k - 1, axis=1)[:, :k]


def _limit(best: NDArray[Any], error: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    """Up to which value a reference may be among the k nearest, rounded up."""
    return np.nextafter((best[:, -1] + 2 * error).astype(dtype), np.asarray(np.inf, dtype))


def _thinned(
    space: Space,
    queries: NDArray[Any],
    k: int,
    rows: NDArray[Any],
    positions: NDArray[Any],
    near: NDArray[Any],
) -> tuple[NDArray[Any], ...]:
    """The candidates, without those that lose a tie: where very many are equally near, memory stays
    bounded."""
    counts = np.bincount(rows, minlength=len(queries))
    crowded = np.flatnonzero(counts > 8 * k + _CROWD)
    if not len(crowded):
        return rows, positions, near
    ends = np.cumsum(counts)
    kept = np.repeat(counts <= 8 * k + _CROWD, counts)
    for row in crowded:
        part = np.arange(ends[row] - counts[row], ends[row])
        distances = space.exact(queries[row], positions[part]) if space.by_product else near[part]
        kept[part[np.lexsort((positions[part], distances))[:k]]] = True
    return rows[kept], positions[kept], near[kept]
