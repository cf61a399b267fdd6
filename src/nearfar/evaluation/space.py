"""Distances from queries to all references, in blocks: quickly from matrix products, and exactly where it
matters.

A matrix product gives every distance of a block with an error that is known beforehand. Two references whose
values differ by more than that error are in the right order; the few that differ by less are taken again one
by one, as a float64 sum over differences. What counts is always the latter, so the ranking does not depend on
block sizes, on the BLAS or on the number of threads, and rows that lie close together do not come out as
ties.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NAMES", "Space", "distances_of_pairs"]

NAMES = ("euclidean", "squared_euclidean", "cosine", "manhattan", "chebyshev", "dot")
Distance = str | Callable[[Any, Any], Any]
_CHUNK = 1 << 20  # numbers taken to float64 at once


class Space:
    """References prepared for one distance.

    Args:
        references: (r, d) float32 or float64, finite.
        distance: one of `NAMES`, or a function of (a, d), (r, d) to (a, r).
        dtype: of the matrix products; float64 leaves almost nothing to settle, float32 is twice as quick.
    """

    def __init__(self, references: NDArray[Any], distance: Distance = "euclidean", dtype: Any = np.float64):
        check_distance(distance)
        self.references = references
        self.distance = distance
        self.dtype = np.dtype(dtype)
        self._twins: NDArray[np.int64] | None = None
        self._kept: tuple[NDArray[Any], NDArray[Any]] | None = None
        count, width = references.shape
        self._centre = np.zeros(width)
        if distance in ("euclidean", "squared_euclidean") and count:
            self._centre = references.mean(axis=0, dtype=np.float64)
        self._scale, self._largest = 1.0, 1.0
        if self.by_product and distance != "cosine":
            starts = range(0, count, _CHUNK // max(width, 1) + 1)
            step = starts.step
            largest = max((self._norms(references[i : i + step]).max() for i in starts), default=0.0)
            # a power of two changes no digit, and keeps squares of tiny or huge rows within float32
            self._scale = float(2.0 ** -np.frexp(largest)[1]) if largest > 0 else 1.0
            self._largest = float(largest * self._scale)

    @property
    def by_product(self) -> bool:
        """Whether distances come from a matrix product, and so with an error to settle."""
        return self.distance in ("euclidean", "squared_euclidean", "cosine", "dot")

    def block(
        self, queries: NDArray[Any], start: int = 0, stop: int | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values that order the references `start:stop` of each query, and how far each row's may be off.

        Returns:
            (a, r) values that grow with the distance, and (a,) bounds on their error, 0 where they are the
            distances.
        """
        references = self.references[start:stop]
        if callable(self.distance):
            values = np.asarray(self.distance(queries, references))
            if values.shape != (len(queries), len(references)):
                raise ValueError(
                    f"distance returned shape {values.shape} for {queries.shape} and {references.shape}; "
                    f"expected ({len(queries)}, {len(references)})."
                )
            return np.array(values, dtype=np.result_type(values.dtype, np.float32)), np.zeros(len(queries))
        if not self.by_product:
            return self._by_coordinate(queries, references), np.zeros(len(queries))
        left = self._prepared(queries)
        right, squares = self._prepared_references(start, stop)
        norms = np.sqrt(np.einsum("nd,nd->n", left, left, dtype=np.float64))
        unit, width = np.finfo(self.dtype).eps / 2, queries.shape[1]
        if self.distance in ("cosine", "dot"):
            # d roundings of a product, and some of each coordinate
            return -left @ right.T, 1.01 * unit * (width + 4) * norms * self._largest
        values = (-2 * left) @ right.T
        values += squares
        # |2 x.y| <= (|x| + |y|)^2 / 2 takes d roundings; coordinates, norm and sum take four more
        return values, 1.01 * unit * (0.5 * width + 4) * (norms + self._largest) ** 2

    def exact(self, query: NDArray[Any], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Float64 distances of one query (d,) to some references; equal rows give equal distances."""
        return self.pairs(query[None], np.zeros(len(columns), np.int64), columns)

    def pairs(
        self, queries: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Float64 distances of `queries[rows]` to `references[columns]`, pair by pair."""
        return distances_of_pairs(queries, self.references, rows, columns, self.distance)

    def twins(self) -> NDArray[np.int64]:
        """For each reference the first one that equals it: what many equal rows cost is then that of one."""
        if self._twins is None:
            rows = np.ascontiguousarray(self.references + 0)  # -0 equals 0
            keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * max(rows.shape[1], 1)))).reshape(-1)
            _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
            self._twins = first[inverse.reshape(-1)]
        return self._twins

    def keep(self) -> "Space":
        """Prepares all references once, for many blocks: costs their memory again, in `dtype`."""
        if self.by_product:
            self._kept = self._prepared_references(0, None)
        return self

    def _prepared_references(self, start: int, stop: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
        if self._kept is not None:
            return self._kept[0][start:stop], self._kept[1][start:stop]
        rows = self._prepared(self.references[start:stop])
        return rows, np.einsum("nd,nd->n", rows, rows, dtype=np.float64).astype(self.dtype)

    def _prepared(self, rows: NDArray[Any]) -> NDArray[Any]:
        out = np.empty(rows.shape, self.dtype)
        step = _CHUNK // max(rows.shape[1], 1) + 1
        for i in range(0, len(rows), step):
            part = rows[i : i + step]
            if self.distance == "cosine":
                out[i : i + step] = normalised(part)
            else:
                out[i : i + step] = (part - self._centre) * self._scale
        return out

    def _norms(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        shifted = rows - self._centre
        return np.sqrt(np.einsum("nd,nd->n", shifted, shifted))

    def _by_coordinate(self, queries: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """Manhattan and Chebyshev, one coordinate at a time: memory (a, r), and the same sum for equal
        rows."""
        left, right = queries.T.astype(np.float64), references.T.astype(np.float64)
        total = np.zeros((len(queries), len(references)))
        step = np.empty_like(total)
        combine = np.add if self.distance == "manhattan" else np.maximum
        for x, y in zip(left, right, strict=True):
            np.subtract(x[:, None], y[None, :], out=step)
            np.abs(step, out=step)
            combine(total, step, out=total)
        return total


def check_distance(distance: Distance) -> None:
    """Raises where a distance is neither a known name nor a function."""
    if not callable(distance) and distance not in NAMES:
        raise ValueError(
            f"distance {distance!r} is not known; expected one of {', '.join(NAMES)}, or a function."
        )


def normalised(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Rows of length 1 in float64; a row of zeros stays."""
    rows = rows.astype(np.float64)
    peak = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    rows /= np.where(peak > 0, peak, 1)  # squares of 1e-200 would be 0
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows / np.where(norms > 0, norms, 1)


def distances_of_pairs(
    left: NDArray[Any], right: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], distance: Distance
) -> NDArray[np.float64]:
    """Float64 distances of `left[rows]` to `right[columns]`, (m,), in chunks of bounded memory."""
    check_distance(distance)
    out = np.empty(len(rows))
    step = max(1, _CHUNK // max(1, left.shape[1]))
    if callable(distance):
        step = min(step, 256)  # a function of two sets gives (m, m), of which the diagonal is wanted
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        out[part] = _paired(left[rows[part]], right[columns[part]], distance)
    return out


def _paired(x: NDArray[Any], y: NDArray[Any], distance: Distance) -> NDArray[np.float64]:
    if callable(distance):
        return np.diagonal(np.asarray(distance(x, y))).astype(np.float64)
    if distance == "dot":
        return -np.einsum("nd,nd->n", x.astype(np.float64), y.astype(np.float64))
    if distance == "cosine":
        x, y = normalised(x), normalised(y)
        empty = ~(x.any(axis=1) & y.any(axis=1))
        # half the squared distance of unit vectors keeps digits that 1 - cosine loses where they are close
        return np.where(empty, 1.0, 0.5 * np.einsum("nd,nd->n", x - y, x - y))
    difference = x.astype(np.float64)
    difference -= y
    if distance == "manhattan":
        return np.abs(difference).sum(axis=1)
    if distance == "chebyshev":
        return np.abs(difference).max(axis=1, initial=0)
    squared = np.einsum("nd,nd->n", difference, difference)
    return np.sqrt(squared) if distance == "euclidean" else squared
