"""Which pairs verification decides, and their distances."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array
from .distances import distances_of_pairs
from .space import Distance

__all__ = ["ALL", "SAMPLE", "Pairs", "all_pairs", "cross_pairs", "given_pairs", "sampled_pairs"]

ALL = 5_000_000  #: pairs: up to here all are taken
SAMPLE = 1_000_000  #: pairs: beyond, half of them of one class


class Pairs(NamedTuple):
    """Pairs of rows, and whether they are of one class."""

    left: NDArray[np.int32]  #: (pairs,) row
    right: NDArray[np.int32]  #: (pairs,) row
    same: NDArray[np.bool_]  #: (pairs,)
    distances: NDArray[np.float64]  #: (pairs,)


def given_pairs(rows: NDArray[Any], pairs: Any, distance: Distance) -> Pairs:
    """Checked (left, right, same) arrays, and the distances of those rows.

    Raises:
        ValueError: not three arrays of one length, or row numbers that are not rows.
        TypeError: row numbers that are not integers.
    """
    if len(pairs) != 3:
        raise ValueError(
            f"pairs has {len(pairs)} parts; expected (left, right, same), three arrays of one length."
        )
    left, right, same = (as_array(part).reshape(-1) for part in pairs)
    if not len(left) == len(right) == len(same):
        raise ValueError(
            f"pairs has {len(left)}, {len(right)} and {len(same)} entries; expected as many of each."
        )
    for name, index in (("left", left), ("right", right)):
        if not index.size:
            continue
        if index.dtype.kind not in "iu":
            raise TypeError(
                f"{name} of pairs is of type {index.dtype}; expected row numbers of the embeddings."
            )
        if index.min() < 0 or index.max() >= len(rows):
            raise ValueError(
                f"{name} of pairs names rows {index.min()} to {index.max()}; expected 0 to {len(rows) - 1}."
            )
    left, right = left.astype(np.int32), right.astype(np.int32)
    return Pairs(left, right, same.astype(bool), distances_of_pairs(rows, rows, left, right, distance))


def all_pairs(rows: NDArray[Any], codes: NDArray[np.int64], distance: Distance) -> Pairs:
    """Every pair of two different rows, once."""
    left, right = (index.astype(np.int32) for index in np.triu_indices(len(rows), 1))
    return Pairs(left, right, codes[left] == codes[right], _all_distances(rows, left, right, distance))


def sampled_pairs(rows: NDArray[Any], codes: NDArray[np.int64], distance: Distance, seed: int) -> Pairs:
    """A seeded sample of a million pairs, half of them of one class."""
    left, right, same = cross_pairs(codes, codes, True, seed)
    return given_pairs(rows, (left, right, same), distance)


def cross_pairs(
    codes: NDArray[np.int64], reference_codes: NDArray[np.int64], itself: bool, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Pairs of a query and a reference: all up to five million, else a seeded sample of half a million of
    each kind.

    The sample is uniform over the pairs of a kind, with replacement.

    Args:
        codes: (q,) class numbers of the queries.
        reference_codes: (r,) class numbers of the references.
        itself: whether the queries are the references; each pair then comes once, and none with itself.
        seed: of the sample.

    Returns:
        Rows of queries, rows of references, and whether they are of one class.
    """
    count, others = len(codes), len(reference_codes)
    if (count * (count - 1) // 2 if itself else count * others) <= ALL:
        left, right = (
            np.triu_indices(count, 1) if itself else np.divmod(np.arange(count * others), max(others, 1))
        )
        return left, right, codes[left] == reference_codes[right]
    random = np.random.default_rng(seed)
    order = np.argsort(reference_codes, kind="stable")
    sizes = np.bincount(reference_codes, minlength=int(codes.max()) + 1)
    starts = (np.cumsum(sizes) - sizes)[codes]
    own = sizes[codes]
    parts = []
    for same, weights in ((True, own - itself), (False, others - own)):
        if not weights.sum():
            continue
        left = np.searchsorted(
            np.cumsum(weights), random.integers(weights.sum(), size=SAMPLE // 2), side="right"
        )
        nth = random.integers(weights[left])  # the nth reference of the class, or the nth of all others
        if same and itself:
            place = np.empty(count, np.int64)
            place[order] = np.arange(count)
            nth = nth + (nth >= place[left] - starts[left])  # step over the query itself
        where = starts[left] + nth if same else nth + own[left] * (nth >= starts[left])
        parts.append((left, order[where], np.full(len(left), same)))
    left, right, same = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return left, right, same


def _all_distances(rows: NDArray[Any], left: Any, right: Any, distance: Distance) -> NDArray[np.float64]:
    if callable(distance):
        values = [np.asarray(distance(rows[i : i + 1], rows[i + 1 :]))[0] for i in range(len(rows) - 1)]
        return np.concatenate(values).astype(np.float64) if values else np.zeros(0)
    kinds = {"euclidean": "euclidean", "squared_euclidean": "sqeuclidean"}
    kinds |= {"manhattan": "cityblock", "chebyshev": "chebyshev"}
    if distance in kinds and len(rows) > 1:
        try:
            from scipy.spatial.distance import (
                pdist,
            )  # comes with scikit-learn; float64 sums over differences, in C
        except ImportError:
            pass
        else:
            return pdist(rows.astype(np.float64), kinds[distance])  # type: ignore[call-overload]  # stubs list no names
    return distances_of_pairs(rows, rows, left, right, distance)
