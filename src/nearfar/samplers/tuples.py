"""Pairs and triplets drawn from labels before training."""

from typing import Any, NamedTuple

import numpy as np

from .classes import Classes, grouped

__all__ = ["SampledPairs", "SampledTriplets", "sample_pairs", "sample_triplets"]


class SampledPairs(NamedTuple):
    """Row numbers of pairs, `(n,)` each."""

    left: np.ndarray
    right: np.ndarray
    same: np.ndarray  #: bool, True where both are of one class


class SampledTriplets(NamedTuple):
    """Row numbers of triplets, `(n,)` int64 each."""

    anchor: np.ndarray
    positive: np.ndarray
    negative: np.ndarray


def sample_pairs(labels: Any, n: int, *, positive_fraction: float = 0.5, seed: int = 0) -> SampledPairs:
    """Pairs of rows drawn evenly from all pairs of one class, and from all pairs of two classes.

    No pair comes twice, in either order, and no row is paired with itself.

    Args:
        labels: `(m,)` or `(m, 1)`, integers or strings.
        n: how many pairs.
        positive_fraction: share of pairs of one class, 0 ... 1; their number is rounded.
        seed: 0 or more.

    Returns:
        `(left, right, same)`, `(n,)` each, in random order.

    Raises:
        ValueError: the labels do not have so many pairs of a kind.

    Example:
        >>> from nearfar.samplers import sample_pairs
        >>> left, right, same = sample_pairs([0, 0, 1, 1], 4)
        >>> int(same.sum())
        2
    """
    if not 0 <= positive_fraction <= 1 or n < 0:
        raise ValueError(
            f"n is {n} and positive_fraction {positive_fraction}; expected n >= 0 and a share of 0 ... 1."
        )
    classes, rng = grouped(labels), np.random.default_rng(seed)
    positives = round(n * positive_fraction)
    within = classes.counts * (classes.counts - 1) // 2
    ends = np.repeat(classes.starts + classes.counts, classes.counts)
    beyond = len(ends) - ends  # of each row in class order, the rows of later classes
    chosen = [
        _within_classes(classes, within, _distinct(rng, int(within.sum()), positives, "pairs of one class")),
        _across_classes(
            ends, beyond, _distinct(rng, int(beyond.sum()), n - positives, "pairs of two classes")
        ),
    ]
    left, right = np.concatenate(chosen, axis=1)
    swapped, order = rng.random(n) < 0.5, rng.permutation(n)
    left, right = np.where(swapped, right, left), np.where(swapped, left, right)
    return SampledPairs(
        classes.rows[left][order], classes.rows[right][order], (np.arange(n) < positives)[order]
    )


def sample_triplets(labels: Any, n: int, *, seed: int = 0) -> SampledTriplets:
    """Triplets drawn evenly from all (anchor, positive, negative), none twice.

    Args:
        labels: `(m,)` or `(m, 1)`, integers or strings.
        n: how many triplets.
        seed: 0 or more.

    Returns:
        `(anchor, positive, negative)` row numbers, `(n,)` int64 each.

    Raises:
        ValueError: the labels do not have so many triplets, or more than 2**63.

    Example:
        >>> import numpy as np
        >>> from nearfar.samplers import sample_triplets
        >>> labels = np.array([0, 0, 1, 1])
        >>> anchor, positive, negative = sample_triplets(labels, 3)
        >>> bool((labels[anchor] == labels[positive]).all()), bool((labels[anchor] == labels[negative]).any())
        (True, False)
    """
    if n < 0:
        raise ValueError(f"n is {n}; expected 0 or more.")
    classes, rng = grouped(labels), np.random.default_rng(seed)
    total = len(classes.rows)
    triplets = [int(count) * (int(count) - 1) * (total - int(count)) for count in classes.counts]
    if sum(triplets) >= 2**63:
        raise ValueError(
            f"labels have {sum(triplets)} triplets, more than 2**63; sample from a part of the rows."
        )
    each = np.array(triplets, np.int64)
    ends = np.cumsum(each)
    rank = _distinct(rng, sum(triplets), n, "triplets")
    which = np.searchsorted(ends, rank, side="right")
    rank = rank - (ends - each)[which]
    start, count = classes.starts[which], classes.counts[which]
    rank, negative = np.divmod(rank, total - count)
    anchor, positive = np.divmod(rank, count - 1)
    positive += positive >= anchor  # leaves out the anchor itself
    negative += np.where(negative >= start, count, 0)  # leaves out its class
    return SampledTriplets(
        classes.rows[start + anchor], classes.rows[start + positive], classes.rows[negative]
    )


def _within_classes(classes: Classes, within: np.ndarray, rank: np.ndarray) -> np.ndarray:
    # the rank-th pair i > j of a class, (1, 0), (2, 0), (2, 1) ...: i (i - 1) / 2 pairs come before i's
    ends = np.cumsum(within)
    which = np.searchsorted(ends, rank, side="right")
    rank = rank - (ends - within)[which]
    i = ((1 + np.sqrt(1 + 8.0 * rank)) / 2).astype(np.int64)
    i -= i * (i - 1) // 2 > rank  # the root may be off by a rounding
    i += i * (i + 1) // 2 <= rank
    return classes.starts[which] + np.stack([i, rank - i * (i - 1) // 2])


def _across_classes(ends: np.ndarray, beyond: np.ndarray, rank: np.ndarray) -> np.ndarray:
    last = np.cumsum(beyond)
    row = np.searchsorted(last, rank, side="right")
    return np.stack([row, ends[row] + rank - (last - beyond)[row]])


def _distinct(rng: np.random.Generator, population: int, count: int, what: str) -> np.ndarray:
    # `count` different numbers below `population`, each set equally likely, in memory O(count)
    if count > population:
        raise ValueError(f"{count} {what} are asked for but the labels have {population}; ask for fewer.")
    if 2 * count >= population:
        return rng.permutation(population)[:count]
    drawn = np.empty(0, np.int64)
    while len(drawn) < count:
        drawn = np.concatenate([drawn, rng.integers(population, size=2 * (count - len(drawn)))])
        drawn = drawn[np.sort(np.unique(drawn, return_index=True)[1])]
    return drawn[:count]
