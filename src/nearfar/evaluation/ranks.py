"""At which rank every positive of every query lies: what all retrieval measures are made of."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .neighbors import nearest
from .space import Distance, Space

__all__ = ["BEYOND", "Ranks", "Task", "positive_ranks"]

BEYOND = np.iinfo(np.int64).max  #: a rank that nobody asked for
_FEW = 256  # nearest references that are cheaper to find than a row is to sort
_ROWS = 1024  # queries at once
_BLOCK = 1 << 23  # distances at once where rows are sorted, 64 MB
_TOGETHER = 1 << 16  # ranks to hand on at once, so that they stay in the cache


class Ranks(NamedTuple):
    """The positives of some queries, query by query, nearest first."""

    queries: NDArray[np.int64]  #: (b,) positions of the queries
    counts: NDArray[np.int64]  #: (b,) how many positives each has, at least 1
    ranks: NDArray[
        np.int64
    ]  #: (sum of counts,) rank of each positive among all references, from 1, or `BEYOND`


class Task(NamedTuple):
    """Queries, references, and their labels as numbers from 0."""

    queries: NDArray[Any]  #: (q, d)
    codes: NDArray[np.int64]  #: (q,)
    references: NDArray[Any]  #: (r, d)
    reference_codes: NDArray[np.int64]  #: (r,)
    itself: bool  #: whether the queries are the references, so that each leaves itself out
    distance: Distance


def positive_ranks(task: Task, depth: int) -> Iterator[Ranks]:
    """Ranks of the references with the query's label; references at equal distances rank by their position.

    All ranks up to `depth`, up to the number of positives, and of the nearest positive are given. Queries
    with few positives look at their nearest references alone, the others sort the nearer part of their row.

    Args:
        task: what to rank.
        depth: up to which rank all ranks are wanted.
    """
    sizes = np.bincount(task.reference_codes, minlength=int(task.codes.max(initial=-1)) + 1)
    counts = sizes[task.codes] - task.itself
    wanted = np.where(counts > 0, np.maximum(counts, min(depth, len(task.references))), 0)
    most = min(_FEW, len(task.references) // 16)
    few = np.flatnonzero((wanted > 0) & (wanted <= most))
    few = few[
        np.argsort(wanted[few], kind="stable")
    ]  # each block then looks no further than its queries need
    missed = []
    space = Space(task.references, task.distance, np.float32) if len(few) else None
    for start in range(0, len(few), _ROWS):
        assert space is not None
        rows = few[start : start + _ROWS]
        near, hit = _near_ranks(space, task, rows, counts[rows], int(wanted[rows].max()))
        missed.append(rows[~hit])
        if hit.any():
            yield near
    del space
    rest = np.concatenate([np.flatnonzero(wanted > most), *missed])
    if len(rest):
        rest.sort()
        yield from _row_ranks(task, rest, wanted[rest])


def _near_ranks(
    space: Space, task: Task, rows: NDArray[np.int64], counts: NDArray[np.int64], k: int
) -> tuple[Ranks, NDArray[np.bool_]]:
    """Ranks within the k nearest, of the queries with a positive there; and which those are."""
    positions = nearest(space, task.queries[rows], k, leave_out=rows if task.itself else None)[1]
    hits = task.reference_codes[positions] == task.codes[rows][:, None]
    some = hits.any(axis=1)
    rows, counts, hits = rows[some], counts[some], hits[some]
    query, place = np.nonzero(hits)
    found = hits.sum(axis=1)
    ranks = np.full(int(counts.sum()), BEYOND)
    nth = np.arange(len(query)) - np.repeat(np.cumsum(found) - found, found)
    ranks[(np.cumsum(counts) - counts)[query] + nth] = place + 1
    return Ranks(rows, counts, ranks), some


def _row_ranks(task: Task, rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> Iterator[Ranks]:
    """Ranks up to the `wanted` one, and of the nearest positive, from all distances of each query."""
    space = Space(task.references, task.distance)
    members = np.argsort(task.reference_codes, kind="stable")
    ends = np.cumsum(np.bincount(task.reference_codes, minlength=int(task.codes.max()) + 1))
    members_of = np.split(members, ends[:-1])
    step = max(1, _BLOCK // len(task.references))
    room, key = np.empty(step * len(task.references)), np.empty(len(task.references))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        values, error = space.block(task.queries[part], out=room)
        if task.itself:
            values[np.arange(len(part)), part] = np.inf
        found: list[NDArray[np.int64]] = []
        done, positives = 0, 0
        for i, row in enumerate(part):
            columns = members_of[task.codes[row]]
            columns = columns[columns != row] if task.itself else columns
            k = min(int(wanted[start + i]), len(key) - task.itself)
            ranks = _leading_ranks(values[i], key, columns, k, error[i])
            if ranks is None:
                ordered = np.sort(values[i])
                ranks = _ranks(space, task.queries[row], values[i], ordered, 2 * error[i], columns)
            found.append(ranks)
            positives += len(ranks)
            if positives > _TOGETHER or i + 1 == len(part):
                counts = np.array([len(ranks) for ranks in found])
                yield Ranks(part[done : i + 1], counts, np.concatenate(found))
                found, done, positives = [], i + 1, 0


def _leading_ranks(
    values: NDArray[Any], key: NDArray[np.float64], columns: NDArray[np.int64], k: int, error: float
) -> NDArray[np.int64] | None:
    """Ranks of the references `columns` up to `k` and of the nearest of them, else `BEYOND`; None where
    values are too close to tell. `key` is room for the values."""
    key[:] = values
    bits = key.view(np.int64)
    bits &= ~1  # the last bit tells a positive after sorting; it moves no value by more than its spacing
    bits[columns] |= 1
    stop = min(k + 1, len(key))
    key.partition(stop - 1)
    nearest = key[:stop]
    nearest.sort()
    positive = (bits[:stop] & 1).astype(bool)
    slack = float(4 * error + 4 * np.spacing(np.abs(nearest[[0, k - 1]]).max()))
    meets_other = positive[1:] != positive[:-1]
    meets_other[k - 1 :] = True  # and what lies beyond may not belong to the first k
    before = np.flatnonzero(meets_other)
    if not (nearest[before + 1] - nearest[before] > slack).all():
        return None
    ranks = np.full(len(columns), BEYOND)
    found = np.flatnonzero(positive[:k])
    ranks[: len(found)] = found + 1
    if not len(found):
        least = values[columns].min()
        below = np.count_nonzero(values < least - slack)
        close = np.count_nonzero(values <= least + slack) - below
        if close > np.count_nonzero(values[columns] <= least + slack):
            return None
        ranks[0] = below + 1
    return ranks


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
    below = np.searchsorted(ordered, positive - slack)
    first, together = np.arange(len(positive)), 1  # positives before each one's window, and in it
    if (np.diff(positive) <= 2 * slack).any():
        first = np.searchsorted(positive, positive - slack)
        together = np.searchsorted(positive, positive + slack, "right") - first
    # among positives alone the order does not matter: rank is own place plus surely nearer negatives
    ranks = np.arange(1, len(positive) + 1) + below - first
    next_one = np.minimum(below + together, len(ordered) - 1)
    mixed = np.flatnonzero((next_one > below + together - 1) & (ordered[next_one] <= positive + slack))
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
        distances = space.exact(query, among)
    order = np.lexsort((among, distances))
    place = np.empty(len(values), np.int64)
    place[among[order]] = np.arange(len(among))
    surely_nearer = np.searchsorted(np.sort(values[among]), positive - slack)
    return below + 1 + place[columns] - surely_nearer
