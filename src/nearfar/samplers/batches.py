"""Batches of P classes with K samples each."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from .classes import grouped

__all__ = ["ClassBalancedSampler"]


class ClassBalancedSampler:
    """Batches of `classes_per_batch` classes with `samples_per_class` samples each ("P x K").

    An epoch goes through the data about once: each class is drawn in proportion to its size, all its samples
    before any again, save those that fill up its last batch. A class too large for that (it can be in a batch
    only once) is drawn in every batch, and the room this leaves goes to the other classes. Classes meet in
    random company. No batch holds a row twice, except of classes with fewer than `samples_per_class` samples,
    which are warned about once.

    It is a PyTorch `batch_sampler`, and `batch` gives any batch of any epoch without going through the
    others. Iterating goes to the next epoch by itself; `set_epoch` says which one the next iteration yields,
    for example to resume. Everything follows from the seed and the epoch.

    With several processes, all compute the same plan and each takes its own classes of every batch: as many
    batches on each rank, and no class on two ranks in the same step.

    Args:
        labels: `(n,)` or `(n, 1)`, integers or strings.
        classes_per_batch: P, on each rank.
        samples_per_class: K.
        batches_per_epoch: so many instead of about once through the data.
        seed: 0 or more.
        rank: this process, 0 ... world_size - 1.
        world_size: number of processes.

    Attributes:
        epoch: the epoch that the next iteration yields.
        batch_size: rows in a batch.

    Raises:
        ValueError: more classes per batch than there are, or numbers out of range.

    Example:
        >>> from nearfar.samplers import ClassBalancedSampler
        >>> sampler = ClassBalancedSampler([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], 2, 2)
        >>> len(sampler), [len(batch) for batch in sampler]
        (3, [4, 4, 4])

    References:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737, section 2 (batches of P classes with K images).
    """

    def __init__(
        self,
        labels: Any,
        classes_per_batch: int,
        samples_per_class: int,
        *,
        batches_per_epoch: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        self._classes = grouped(labels)
        counts = self._classes.counts
        everywhere = classes_per_batch * world_size
        if min(classes_per_batch, samples_per_class, world_size) < 1:
            raise ValueError(
                f"classes_per_batch is {classes_per_batch}, samples_per_class {samples_per_class} and "
                f"world_size {world_size}; expected 1 or more of each."
            )
        if everywhere > len(counts):
            ranks = f" on each of {world_size} ranks" if world_size > 1 else ""
            raise ValueError(
                f"classes_per_batch is {classes_per_batch}{ranks} but the labels have {len(counts)} "
                f"classes; expected at most {len(counts) // world_size}."
            )
        if batches_per_epoch is not None and batches_per_epoch < 1:
            raise ValueError(f"batches_per_epoch is {batches_per_epoch}; expected 1 or more, or None.")
        if not 0 <= rank < world_size:
            raise ValueError(
                f"rank is {rank}; expected 0 to {world_size - 1}, as world_size is {world_size}."
            )
        if seed < 0:
            raise ValueError(f"seed is {seed}; expected 0 or more.")
        small = counts < samples_per_class
        if small.any():
            name = self._classes.names[small.argmax()]
            warnings.warn(
                f"{small.sum()} of {len(counts)} classes have fewer than samples_per_class = "
                f"{samples_per_class} samples, e.g. {name!s} with {counts[small.argmax()]}: their samples "
                "are repeated within a batch.",
                stacklevel=2,
            )
        visits = np.maximum(counts / samples_per_class, 1.0)
        self.batch_size = classes_per_batch * samples_per_class
        self.epoch = 0
        self._length = batches_per_epoch or int(np.ceil(visits.sum() / everywhere))
        self._visits = _capped(visits, self._length * everywhere, self._length)
        self._per_class, self._everywhere, self._seed = samples_per_class, everywhere, seed
        self._own = slice(rank * classes_per_batch, (rank + 1) * classes_per_batch)
        self._plans: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[np.ndarray]:
        # a generator: torch's loader asks for iterators that it never starts, and those are no epochs
        epoch = self.epoch
        self.epoch = epoch + 1
        yield from self.plan(epoch).copy()

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch, 0 or more, the next iteration yields."""
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}; expected 0 or more.")
        self.epoch = epoch

    def batch(self, epoch: int, number: int) -> np.ndarray:
        """`(batch_size,)` int64 rows of one batch, whatever was asked for before; safe to call from threads.

        Args:
            epoch: 0 or more.
            number: 0 ... `len(self) - 1`.
        """
        return self.plan(epoch)[number].copy()

    def plan(self, epoch: int) -> np.ndarray:
        """`(len(self), batch_size)` int64 rows of every batch of an epoch; rows of a class are side by side.

        The two epochs asked for last are kept; do not write into the result.
        """
        plan = self._plans.get(epoch)
        if plan is None:
            plan = self._made(np.random.default_rng([self._seed, epoch]))
            kept = list(self._plans.items())[-1:]
            self._plans = dict([*kept, (epoch, plan)])  # replaced, not changed: other threads may be reading
        return plan

    def _made(self, rng: np.random.Generator) -> np.ndarray:
        visits = _rounded(self._visits, self._length, rng)
        table = _placed(visits, self._length, rng)
        rows = self._rows(table.ravel(), visits, rng).reshape(self._length, self._everywhere, self._per_class)
        return np.ascontiguousarray(rows[:, self._own]).reshape(self._length, self.batch_size)

    def _rows(self, classes: np.ndarray, visits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # (v,) classes in the order of visits, to (v, K) rows. A pass of ceil(n / K) visits covers the n
        # samples of a class in one random order, its last visit going round to the start; the next pass
        # shuffles anew.
        counts, per_class = self._classes.counts, self._per_class
        visits_in_pass = -(-counts // per_class)
        passes = -(-visits // visits_in_pass)
        sizes = np.repeat(counts, passes)  # of each pass
        starts = np.cumsum(sizes) - sizes
        owner = np.repeat(np.arange(len(counts)), passes)
        which = np.repeat(np.arange(len(sizes)), sizes)
        order = np.lexsort((rng.random(len(which)), which))
        shuffled = self._classes.rows[self._classes.starts[owner[which]] + order - starts[which]]

        turn = np.empty(len(classes), np.int64)  # how often the class was visited before
        turn[np.argsort(classes, kind="stable")] = np.arange(len(classes)) - np.repeat(
            np.cumsum(visits) - visits, visits
        )
        number, inside = np.divmod(turn, visits_in_pass[classes])
        taken = (np.cumsum(passes) - passes)[classes] + number
        place = (inside[:, None] * per_class + np.arange(per_class)) % counts[classes][:, None]
        return shuffled[starts[taken][:, None] + place]


def _capped(weights: np.ndarray, total: int, cap: int) -> np.ndarray:
    # min(f * weights, cap), with f such that they sum to `total`
    at_cap = np.zeros(len(weights), bool)
    while not at_cap.all():
        scaled = weights * ((total - cap * at_cap.sum()) / weights[~at_cap].sum())
        over = ~at_cap & (scaled >= cap)
        if not over.any():
            return np.where(at_cap, cap, scaled)
        at_cap |= over
    return np.full(len(weights), float(cap))


def _rounded(shares: np.ndarray, cap: int, rng: np.random.Generator) -> np.ndarray:
    # whole numbers next to the shares, right on average, with the same sum (systematic sampling)
    total = round(shares.sum())
    order = rng.permutation(len(shares))
    ends = np.floor(np.cumsum(shares[order]) + rng.random())
    ends[-1] = total
    visits = np.empty(len(shares), np.int64)
    visits[order] = np.diff(ends, prepend=0)
    visits = np.clip(visits, 0, cap)
    while short := total - visits.sum():  # only where a cumulative sum was rounded across a whole number
        room = np.flatnonzero(visits < cap if short > 0 else visits > 0)
        visits[rng.permutation(room)[: abs(short)]] += np.sign(short)
    return visits


def _placed(visits: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    # (length, P) classes of every batch, each class as often as it is visited and never twice in a batch.
    # Laid out one class after the other along the batches this holds, since no class has more visits than
    # there are batches; pairs of batches then trade the classes they do not share, which keeps it (the
    # "curveball" trades of Strona et al. 2014, "A fast and unbiased procedure to randomize ecological binary
    # matrices with fixed row and column totals").
    order = rng.permutation(len(visits))
    table = np.repeat(order, visits[order]).reshape(-1, length).T.copy()
    width, half = table.shape[1], length // 2
    for _ in range(length.bit_length()):
        batches = rng.permutation(length)
        first, second = batches[:half], batches[half : 2 * half]
        both = np.sort(np.concatenate([table[first], table[second]], axis=1), axis=1)
        shared = both[:, 1:] == both[:, :-1]
        key = rng.random(both.shape)
        key[:, :-1][shared] = -1.0
        key[:, 1:][shared] = 2.0
        both = np.take_along_axis(both, np.argsort(key, axis=1), axis=1)
        table[first], table[second] = both[:, :width], both[:, width:]
    return rng.permuted(table, axis=1)
