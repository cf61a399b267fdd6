"""Distances from queries to references: quickly from matrix products, and exactly where it matters.

A matrix product gives every distance of a block with an error that is bounded beforehand. Two references
whose values differ by more than that are in the right order; the few that differ by less are taken again one
by one, as a float64 sum over differences. Only the latter count, so a ranking does not depend on block sizes,
the BLAS or the number of threads, and rows that lie close together do not come out as ties.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .distances import NAMES, check_distance, distances_of_pairs, normalised

__all__ = ["NAMES", "Columns", "Distance", "Space"]

Distance = str | Callable[[Any, Any], Any]
Columns = slice | NDArray[np.int64]
_CHUNK = 1 << 20  # numbers taken to float64 at once
_ALL = slice(None)


class Space:
    """References prepared for one distance.

    Args:
        references: (r, d) float32 or float64, finite.
        distance: one of `NAMES`, or a function of (a, d), (r, d) to (a, r).
        dtype: of the matrix products. float32 is twice as quick, float64 leaves almost nothing to settle.
        keep: whether to hold the references in that dtype at once, for many blocks, instead of block by
            block.
    """

    def __init__(
        self,
        references: NDArray[Any],
        distance: Distance = "euclidean",
        dtype: Any = np.float64,
        keep: bool = True,
    ):
        check_distance(distance)
        self.references = references
        self.distance = distance
        self.dtype = np.dtype(dtype)
        self._centred = distance in ("euclidean", "squared_euclidean")
        self._twins: NDArray[np.int64] | None = None
        self._kept: NDArray[Any] | None = None
        self._wide: Space | None = None
        if self.by_product:
            self._measure(references)
            self._kept = references if self._raw else self._shifted(references) if keep else None

    @property
    def by_product(self) -> bool:
        """Whether distances come from a matrix product, and so with an error to settle."""
        return self._centred or self.distance in ("cosine", "dot")

    def block(
        self, queries: NDArray[Any], columns: Columns = _ALL, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Values that order some references by their distance from each query.

        Args:
            queries: (a, d).
            columns: which references; all when left out.
            out: memory for the values, flat, where they come from a product: fresh pages cost as much as the
                product.

        Returns:
            (a, r) values, and (a,) bounds on their error, 0 where the values are the distances themselves.
        """
        if callable(self.distance):
            return _checked(
                self.distance(queries, self.references[columns]), queries, self.references[columns]
            )
        if not self.by_product:
            values = by_coordinate(queries, self.references[columns], self.distance == "manhattan")
            return values, np.zeros(len(queries))
        left = self._unit(queries) if self.distance == "cosine" else self._shifted(queries)
        right = self._shifted(self.references[columns]) if self._kept is None else self._kept[columns]
        norms = np.sqrt(np.einsum("nd,nd->n", left, left, dtype=np.float64))
        if (
            self.dtype == np.float32 and not norms.max(initial=0) < 1e15
        ):  # products could pass the range of float32
            self._wide = self._wide or Space(self.references, self.distance, keep=False)
            return self._wide.block(queries, columns)
        # roundings of the product, its factors and what is added, and those of the float64 sums over
        # differences, so that what is not close here is not a tie there either
        unit, double, width = np.finfo(self.dtype).eps / 2, np.finfo(np.float64).eps / 2, queries.shape[1]
        if self.distance == "dot":
            values = _product(-left, right, out)
            return values, 1.01 * (unit + double) * (width + 4) * norms * self._longest
        if self.distance == "cosine":
            values = _product(-left, right, out)
            values *= self._weights[columns]
            return values, 1.01 * (unit + double) * (width + 8) * norms
        values = _product(-2 * left, right, out)
        values += self._weights[columns]
        error = unit * ((2 * width + 8) * norms * self._longest + 3 * self._farthest**2)
        return values, 1.01 * (error + double * (width + 6) * (norms + self._longest) ** 2)

    def exact(self, query: NDArray[Any], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Float64 distances of one query (d,) to some references; equal rows have equal distances, at one's
        cost."""
        distinct, inverse = np.unique(self._first_of_equal()[columns], return_inverse=True)
        distances = self.pairs(query[None], np.zeros(len(distinct), np.int64), distinct)
        return distances[inverse.reshape(-1)]

    def pairs(
        self, queries: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Float64 distances of `queries[rows]` to `references[columns]`, pair by pair."""
        return distances_of_pairs(queries, self.references, rows, columns, self.distance)

    def _first_of_equal(self) -> NDArray[np.int64]:
        if self._twins is None:
            rows = np.ascontiguousarray(self.references + 0)  # -0 equals 0
            keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * max(rows.shape[1], 1)))).reshape(-1)
            _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
            self._twins = first[inverse.reshape(-1)]
        return self._twins

    def _measure(self, references: NDArray[Any]) -> None:
        """The centre, the scale and the norms: one pass over the references, or two."""
        count, width = references.shape
        self._centre = np.zeros(width)
        if self._centred and count:
            self._centre = references.mean(axis=0, dtype=np.float64)
        squares = np.empty(count)
        for part in _parts(count, width):
            shifted = references[part] - self._centre
            squares[part] = np.einsum("nd,nd->n", shifted, shifted)
        farthest, offset = float(np.sqrt(squares.max(initial=0))), float(np.linalg.norm(self._centre))
        nearest = float(np.sqrt(squares.min(initial=farthest**2))) if self.distance == "cosine" else farthest
        # references serve as they are, unless a common offset many times their spread would cost digits, or
        # squares pass the range of float32
        sane = 1e-12 < nearest <= farthest < 1e12 and offset <= 2 * farthest
        self._raw = sane and references.dtype == self.dtype
        self._scale = 1.0
        if farthest and not self._raw:
            self._scale = float(2.0 ** -np.frexp(farthest)[1])  # a power of two loses no digit
        self._farthest = farthest * self._scale
        self._longest = self._farthest + (offset if self._raw else 0.0)
        self._weights = (squares * self._scale * self._scale).astype(self.dtype)
        if self.distance == "cosine":
            self._weights = (1 / np.sqrt(squares) if self._raw else np.ones(count)).astype(self.dtype)

    def _unit(self, rows: NDArray[Any]) -> NDArray[Any]:
        out = np.empty(rows.shape, self.dtype)
        for part in _parts(*rows.shape):
            out[part] = normalised(rows[part])
        return out

    def _shifted(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows in the dtype of the products, around the centre (cosine: of length 1)."""
        if self.distance == "cosine":
            return self._unit(rows)
        out = np.empty(rows.shape, self.dtype)
        for part in _parts(*rows.shape):
            out[part] = (rows[part] - self._centre) * self._scale
        return out


def by_coordinate(left: NDArray[Any], right: NDArray[Any], summed: bool) -> NDArray[np.float64]:
    """Manhattan (`summed`) or Chebyshev distances, one coordinate at a time: equal rows have equal
    distances."""
    x, y = left.T.astype(np.float64), right.T.astype(np.float64)
    out = np.zeros((len(left), len(right)))
    combine = np.add if summed else np.maximum
    for i in range(0, len(left), 16):
        for j in range(0, len(right), 8192):  # what is worked on stays in the cache
            total = out[i : i + 16, j : j + 8192]
            step = np.empty(total.shape)
            for a, b in zip(x[:, i : i + 16, None], y[:, None, j : j + 8192], strict=True):
                np.subtract(a, b, out=step)
                np.abs(step, out=step)
                combine(total, step, out=total)
    return out


def _product(left: NDArray[Any], right: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    shape = len(left), len(right)
    if out is None or out.dtype != left.dtype:
        return left @ right.T
    return np.matmul(left, right.T, out=out[: shape[0] * shape[1]].reshape(shape))


def _checked(
    values: Any, queries: NDArray[Any], references: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    values = np.asarray(values)
    if values.shape != (len(queries), len(references)):
        raise ValueError(
            f"distance returned shape {values.shape} for {queries.shape} and {references.shape}; "
            f"expected ({len(queries)}, {len(references)})."
        )
    if not np.isfinite(values).all():
        raise ValueError("distance returned NaN or infinity; expected finite numbers for finite rows.")
    return np.array(values, np.result_type(values.dtype, np.float32)), np.zeros(len(queries))


def _parts(count: int, width: int) -> list[slice]:
    step = max(1, _CHUNK // max(width, 1))
    return [slice(start, start + step) for start in range(0, count, step)]
