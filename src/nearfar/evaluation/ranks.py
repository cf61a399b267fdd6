"""At which rank every positive of every query lies: what all retrieval measures are made of."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .space import Space

__all__ = ["Ranks", "positive_ranks"]

_BLOCK = 1 << 23  # distances in memory at once


class Ranks(NamedTuple):
    """The positives of a block of queries, query by query, nearest first."""

    queries: slice  #: which queries
    counts: NDArray[np.int64]  #: (b,) how many positives each has
    ranks: NDArray[np.int64]  #: (sum of counts,) rank of each positive among all references, from 1


def positive_ranks(
    space: Space,
    queries: NDArray[Any],
    codes: NDArray[np.int64],
    reference_codes: NDArray[np.int64],
    itself: bool,
) -> Iterator[Ranks]:
    """Ranks of the references with the query's label, block by block.

    References at equal distances rank in the order of their position.

    Args:
        space: the references.
        queries: (q, d).
        codes: (q,) labels of the queries as numbers from 0.
        reference_codes: (r,) likewise.
        itself: whether the queries are the references, so that each leaves itself out.
    """
    classes = int(max(codes.max(initial=-1), reference_codes.max(initial=-1))) + 1
    members = np.argsort(reference_codes, kind="stable")
    ends = np.cumsum(np.bincount(reference_codes, minlength=classes))
    members_of = np.split(members, ends[:-1]) if classes else []
    step = max(1, _BLOCK // max(1, len(reference_codes)))
    for start in range(0, len(queries), step):
        part = slice(start, min(start + step, len(queries)))
        values, error = space.block(queries[part])
        if itself:
            values[np.arange(len(values)), np.arange(part.start, part.stop)] = np.inf
        ordered = np.sort(values, axis=1)
        found = []
        for i, query in enumerate(range(part.start, part.stop)):
            columns = members_of[codes[query]]
            if itself:
                columns = columns[columns != query]
            found.append(_ranks(space, queries[query], values[i], ordered[i], 2 * error[i], columns))
        counts = np.array([len(ranks) for ranks in found])
        yield Ranks(part, counts, np.concatenate(found))


def _ranks(
    space: Space,
    query: NDArray[Any],
    values: NDArray[Any],
    ordered: NDArray[Any],
    slack: float,
    columns: NDArray[Any],
) -> NDArray[np.int64]:
    """Ranks of the references `columns` of one query, ascending; `ordered` are its sorted `values`."""
    order = np.argsort(values[columns], kind="stable")
    positive = values[columns[order]]
    below, above = (
        np.searchsorted(ordered, positive - slack),
        np.searchsorted(ordered, positive + slack, "right"),
    )
    first, last = (
        np.searchsorted(positive, positive - slack),
        np.searchsorted(positive, positive + slack, "right"),
    )
    # among positives alone the order does not matter: rank is own place plus surely nearer negatives
    ranks = np.arange(1, len(positive) + 1) + below - first
    mixed = np.flatnonzero(above - below > last - first)
    if len(mixed):
        ranks[mixed] = _settled(
            space, query, values, positive[mixed], columns[order[mixed]], below[mixed], slack
        )
        ranks.sort()
    return ranks


def _settled(
    space: Space,
    query: NDArray[Any],
    values: NDArray[Any],
    positive: NDArray[Any],
    columns: NDArray[np.int64],
    below: NDArray[np.int64],
    slack: float,
) -> NDArray[np.int64]:
    """Ranks of positives whose values are too close to others' to tell the order: by exact distance, then
    position."""
    nearest = np.searchsorted(positive + slack, values)  # the first whose window reaches so far
    close = np.append(positive - slack, np.nan)[nearest] <= values  # NaN: none does
    close[columns] = True
    among = np.flatnonzero(close)
    distances = values[among]
    if slack > 0:
        twins = space.twins()[among]
        distinct, inverse = np.unique(twins, return_inverse=True)
        distances = space.exact(query, distinct)[inverse.reshape(-1)]
    order = np.lexsort((among, distances))
    place = np.empty(len(values), np.int64)
    place[among[order]] = np.arange(len(among))
    surely_nearer = np.searchsorted(np.sort(values[among]), positive - slack)
    return below + 1 + place[columns] - surely_nearer
