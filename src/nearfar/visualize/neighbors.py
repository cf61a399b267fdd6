"""The nearest of many, exactly, in blocks."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .inputs import as_array, as_embeddings

_SPARE = 8  # candidates beyond k, so that rounding in the first pass cannot lose one of the k
_DISTANCES = ("euclidean", "squared_euclidean", "cosine")
Found = tuple[NDArray[np.float32], NDArray[np.int32]]


def nearest_neighbors(
    embeddings: Any, k: int = 10, *, distance: str = "euclidean", queries: Any = None, block: int = 4096
) -> Found:
    """For rows of the embeddings, the k nearest others in the space itself, not in a projection.

    Candidates come from blocked matrix products in float32, centred first; the distances of those kept are
    then taken again in float64. Rows equally far are listed in order of their position; where more are
    equally far than fit, which of them are kept is the same each time but not told.

    Args:
        embeddings: (n, d) floats, of any framework.
        k: how many; at most n - 1 come back.
        distance: `"euclidean"`, `"squared_euclidean"` or `"cosine"` (1 - cosine).
        queries: positions of the rows to ask for, (q,) integers; None for all.
        block: rows and columns worked on at once; memory is of the order of block * block * 4 bytes.

    Returns:
        distances (q, k) float32 and positions (q, k) int32, nearest first; k is cut to n - 1.

    Raises:
        ValueError: for an unknown distance, or NaN or infinity in the embeddings.

    Example:
        >>> distances, positions = nearest_neighbors([[0.0], [1.0], [3.0]], 2)
        >>> positions.tolist()
        [[1, 2], [0, 2], [1, 0]]
    """
    rows = as_embeddings(embeddings)
    asked = np.arange(len(rows)) if queries is None else as_array(queries).astype(np.int64).reshape(-1)
    return ranked(rows, asked, k, distance=distance, block=block)


def ranked(
    rows: NDArray[np.float32],
    asked: NDArray[np.int64],
    k: int,
    *,
    distance: str = "euclidean",
    codes: NDArray[np.int64] | None = None,
    among: Literal["all", "same", "different"] = "all",
    farthest: bool = False,
    block: int = 4096,
) -> Found:
    """The k nearest or farthest of each asked row, among all others or those of the same or of different
    classes.

    Where fewer than k are allowed, the rest have an infinite distance and mean nothing.
    """
    check_distance(distance)
    exact = rows.astype(np.float64)
    if distance == "cosine":
        exact /= np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-300)
    k = max(0, min(k, len(rows) - 1))
    if not k or not len(asked):
        return np.zeros((len(asked), k), np.float32), np.zeros((len(asked), k), np.int32)
    centred = (exact - exact.mean(axis=0)).astype(np.float32)
    squares, places = [], []
    for start in range(0, len(asked), block):
        part = asked[start : start + block]
        candidates, allowed = _candidates(centred, part, k, block, codes, among, farthest)
        square, place = _exact(exact, part, candidates, allowed, k, farthest)
        squares.append(square)
        places.append(place)
    squared = np.concatenate(squares)
    if distance == "cosine":
        squared = squared / 2  # |a - b|^2 = 2 (1 - cosine) for unit vectors
    elif distance == "euclidean":
        squared = np.sqrt(squared)
    return squared.astype(np.float32), np.concatenate(places).astype(np.int32)


def check_distance(distance: str) -> None:
    """Raise ValueError for a distance that the pictures do not know."""
    if distance not in _DISTANCES:
        raise ValueError(
            f"Unknown distance {distance!r}; expected one of {', '.join(map(repr, _DISTANCES))}."
        )


def _candidates(
    rows: NDArray[np.float32],
    asked: NDArray[np.int64],
    k: int,
    block: int,
    codes: NDArray[np.int64] | None,
    among: str,
    farthest: bool,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(q, kept) positions that hold the k wanted of each asked row, and which of them are allowed."""
    kept = min(k + _SPARE, len(rows) - 1)
    norms = np.einsum("nd,nd->n", rows, rows)
    best = np.full((len(asked), kept), np.inf, np.float32)
    where = np.zeros((len(asked), kept), np.int64)
    query = -2 * rows[asked]
    for start in range(0, len(rows), block):
        stop = min(start + block, len(rows))
        squared = (
            query @ rows[start:stop].T + norms[start:stop]
        )  # the query's own norm shifts a whole row: left out
        if farthest:
            squared = -squared
        if codes is not None and among != "all":
            alike = codes[asked][:, None] == codes[start:stop]
            squared[alike if among == "different" else ~alike] = np.inf
        own = np.flatnonzero((asked >= start) & (asked < stop))
        squared[own, asked[own] - start] = np.inf
        near, values, columns = _nearer(squared, best[:, -1], kept)
        values = np.concatenate([best[near], values], axis=1)
        columns = np.concatenate([where[near], columns + start], axis=1)
        order = np.argsort(values, axis=1, kind="stable")[:, :kept]
        best[near] = np.take_along_axis(values, order, axis=1)
        where[near] = np.take_along_axis(columns, order, axis=1)
    return where, np.isfinite(best)


def _nearer(
    squared: NDArray[np.float32], worst: NDArray[np.float32], kept: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """The rows with an entry below their `worst`, those entries, and their columns, padded with infinity."""
    # after the first block few entries pass, and one comparison costs far less than a partition of every row
    row, column = np.nonzero(squared < worst[:, None])
    near, first, count = np.unique(row, return_index=True, return_counts=True)
    widest = int(count.max(initial=0))
    if widest > 4 * kept:
        take = min(kept, squared.shape[1])
        columns = np.argpartition(squared[near], take - 1, axis=1)[:, :take]
        return near, np.take_along_axis(squared[near], columns, axis=1), columns
    values = np.full((len(near), widest), np.inf, np.float32)
    columns = np.zeros((len(near), widest), np.int64)
    place = np.repeat(np.arange(len(near)), count), np.arange(len(row)) - np.repeat(first, count)
    values[place] = squared[row, column]
    columns[place] = column
    return near, values, columns


def _exact(
    rows: NDArray[np.float64],
    asked: NDArray[np.int64],
    candidates: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    k: int,
    farthest: bool,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    # candidate by candidate: (q, d) of memory, not (q, kept, d)
    squared = np.stack([((rows[column] - rows[asked]) ** 2).sum(axis=1) for column in candidates.T], axis=1)
    key = np.where(allowed, -squared if farthest else squared, np.inf)
    order = np.lexsort((candidates, key), axis=1)[:, :k]
    squared = np.where(allowed, squared, np.inf)
    return np.take_along_axis(squared, order, axis=1), np.take_along_axis(candidates, order, axis=1)
