"""Sums over triplets, exactly, without a list of triplets.

A hinge over all triplets of an anchor is piecewise linear in its distances: the slope of a distance is a count. So one
pass over the row per positive gives value and slope, in memory of one row; when an anchor has many positives, sorting and
`searchsorted` count the same. `Backend.attach_slope` joins the two, so that nothing of this is differentiated.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .backends import Backend, Tensor
from .pairs import Pairs
from .reduction import Terms

__all__ = [
    "FAR",
    "Gap",
    "all_triplets",
    "hinge",
    "over_positives",
    "semihard",
    "soft_margin",
    "weighted_negatives",
]

# With more positives than this an anchor's row is sorted instead. Measured on 2 CPU cores at 2,048 references: a pass
# costs 0.6 (torch) and 1.2 ns (XLA) a distance, the sorts 100 and 260 ns.
_MOST_PASSES = 128
FAR = 1e30  # in place of infinity, so that sums and differences with it stay numbers


class Gap(NamedTuple):
    """A triplet's loss as a function of the gap `shift + d_ap - d_an`, and its derivative.

    The shift is apart so that it is added to the few `d_ap`, not to every difference.
    """

    value: Callable[[Backend, Tensor], Tensor]
    slope: Callable[[Backend, Tensor, Tensor], Tensor]  #: of (gap, value)
    shift: float
    counts: bool  #: whether the slope is 0 or 1, so that sorting can count it

    def of(self, xp: Backend, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of triplets by their two distances."""
        return self.value(xp, positive + self.shift - negative)


def hinge(margin: float) -> Gap:
    """max(0, margin + d_ap - d_an)."""
    return Gap(lambda xp, gap: xp.relu(gap), lambda xp, gap, value: xp.sign(value), margin, True)


def soft_margin() -> Gap:
    """log(1 + exp(d_ap - d_an)); Hermans et al. 2017, section 2."""
    return Gap(lambda xp, gap: xp.softplus(gap), lambda xp, gap, value: xp.sigmoid(gap), 0.0, False)


def all_triplets(
    xp: Backend, distances: Tensor, pairs: Pairs, gap: Gap, *, within: float | None = None
) -> Terms:
    """Every triplet of each anchor, or with `within` those with `d_ap < d_an < d_ap + within`.

    Args:
        xp: the backend.
        distances: `(b, r)`.
        pairs: masks `(b, r)`.
        gap: the loss of a triplet.
        within: how far beyond the positive a negative may be to count; for a hinge, its margin.

    Returns:
        Terms, `(b,)` each.
    """

    def step(d: Tensor, column: Tensor, others: Tensor, total: Tensor, count: Tensor, slope: Tensor) -> tuple:
        difference = (d + gap.shift)[:, None] - others
        value = gap.value(xp, difference)
        steepness = gap.slope(xp, difference, value)
        if within is not None:
            band = xp.sign(xp.relu(others - d[:, None])) * xp.sign(xp.relu((d + within)[:, None] - others))
            value, steepness = value * band, steepness * band
        of_positive = xp.sum(steepness, axis=1)
        active = of_positive if gap.counts else xp.sum(xp.sign(value), axis=1)
        return (total + xp.sum(value, axis=1), count + active, slope - steepness), of_positive

    fixed = xp.stop_gradient(distances)
    by_sorting = _count_by_sorting(xp, gap.shift, within is not None) if gap.counts else None
    num_positives, total, active, slope = _by_positive(xp, fixed, pairs, step, by_sorting)
    valid = num_positives * xp.count(pairs.negative, fixed) if within is None else active
    return Terms(xp.attach_slope(total, slope, distances), valid, active)


def weighted_negatives(xp: Backend, distances: Tensor, pairs: Pairs, gap: Gap, weights: Tensor) -> Terms:
    """For each positive the mean over the anchor's negatives with `weights` (b, r), whose rows sum to 1 (or 0)."""

    def step(
        d: Tensor,
        column: Tensor,
        others: Tensor,
        weights: Tensor,
        total: Tensor,
        count: Tensor,
        slope: Tensor,
    ) -> tuple:
        difference = (d + gap.shift)[:, None] - others
        value = gap.value(xp, difference)
        steepness = weights * gap.slope(xp, difference, value)
        term = xp.sum(weights * value, axis=1)
        return (total + term, count + xp.sign(term), slope - steepness), xp.sum(steepness, axis=1)

    fixed = xp.stop_gradient(distances)
    num_positives, total, active, slope = _by_positive(xp, fixed, pairs, step, None, (weights,))
    valid = xp.where(xp.any(pairs.negative, axis=1), num_positives, 0.0)
    return Terms(xp.attach_slope(total, slope, distances), valid, active)


def semihard(xp: Backend, distances: Tensor, pairs: Pairs, gap: Gap) -> Terms:
    """For each positive the nearest negative beyond it; where none is beyond it, the farthest negative.

    Equally far negatives share the slope.
    """
    fixed = xp.stop_gradient(distances)
    farthest = xp.max(fixed, axis=1, where=pairs.negative)
    has_negative = farthest > -float("inf")
    farthest = xp.where(has_negative, farthest, FAR)  # a gap to what is far away costs nothing

    def step(d: Tensor, column: Tensor, others: Tensor, farthest: Tensor, *state: Tensor) -> tuple:
        total, count, of_farthest, slope = state
        beyond = xp.threshold(others - d[:, None], FAR)
        nearest = xp.min(beyond, axis=1)
        found = nearest < FAR
        difference = gap.shift + xp.where(found, -nearest, d - farthest)
        value = gap.value(xp, difference)
        steepness = gap.slope(xp, difference, value)
        hit = 1 - xp.sign(beyond - nearest[:, None])
        of_nearest = xp.where(found, steepness, 0.0)
        slope = slope - (of_nearest / xp.sum(hit, axis=1))[:, None] * hit
        return (total + value, count + xp.sign(value), of_farthest + steepness - of_nearest, slope), steepness

    num_positives, total, active, *slopes = _by_positive(
        xp, fixed, pairs, step, _semihard_by_sorting(xp, gap), (farthest,), num_vectors=3
    )
    hit = xp.where(pairs.negative, 1 - xp.sign(farthest[:, None] - fixed), 0.0)
    hits = xp.sum(hit, axis=1)
    slope = slopes[1] - (slopes[0] / xp.threshold(hits, 1.0))[:, None] * hit
    return Terms(xp.attach_slope(total, slope, distances), xp.where(has_negative, num_positives, 0.0), active)


def _by_positive(
    xp: Backend,
    distances: Tensor,
    pairs: Pairs,
    step: Callable,
    by_sorting: Callable | None,
    per_anchor: Sequence[Tensor] = (),
    num_vectors: int = 2,
) -> tuple:
    """Positives (b,), total (b,), count of active terms (b,) and slope (b, r), folding `step` over each anchor's positives.

    `step(d, column, negatives, *per_anchor, *state)` sees the distance `d` (b,) and the column (b,) of one positive of
    every anchor, far below 0 where an anchor has no more, and the negatives' distances (b, r), far away elsewhere. It
    adds to the state, `num_vectors` of (b,) and the slope (b, r), which it returns with the slope at `d`.
    """
    positives = xp.where(pairs.positive, distances, float("inf"))
    negatives = xp.where(pairs.negative, distances, FAR)
    num_positives = xp.count(pairs.positive, distances)
    most = xp.max(num_positives)

    def passes(distances: Tensor, positives: Tensor, negatives: Tensor, *_: Tensor) -> tuple:
        if most is not None and 1 < most <= xp.block_elements() // math.prod(xp.shape(negatives)):
            return _all_at_once(xp, positives, (negatives, *per_anchor), step, num_vectors, most)

        def of_block(d: Tensor, column: Tensor, negatives: Tensor, *state: Tensor) -> tuple:
            return step(d, column, negatives, *per_anchor, *state)

        start = (0.0,) * (num_vectors + 1) if most else _start(xp, negatives, num_vectors)
        return over_positives(xp, positives, negatives, of_block, start, most)

    operands = (distances, positives, negatives, pairs.positive, pairs.negative, num_positives)
    if xp.readable(distances):
        most = int(most)
        run = passes if by_sorting is None or most <= _MOST_PASSES else by_sorting
        return num_positives, *run(*operands)
    many, most = most > _MOST_PASSES, None
    return num_positives, *(
        passes(*operands) if by_sorting is None else xp.cond(many, by_sorting, passes, *operands)
    )


def _start(xp: Backend, negatives: Tensor, num_vectors: int) -> tuple[Tensor, ...]:
    # apart from each other: a compiled loop's state must not share memory
    return *[xp.zeros_like(negatives[:, 0]) for _ in range(num_vectors)], xp.zeros_like(negatives)


def over_positives(
    xp: Backend, positives: Tensor, negatives: Tensor, step: Callable, state: tuple, most: int | None = None
) -> tuple:
    """Folds `step` over each anchor's positives, nearest first; the last of `state` is the slope (b, r).

    `most` is the largest number of positives, None where it cannot be read.
    """
    if most is None:
        return _over_any_positives(xp, positives, negatives, step, state)
    if most == 0:
        return state
    nearest, columns = _nearest(xp, positives, most)
    slopes = []
    for k in range(most):
        state, slope = step(nearest[:, k], columns[:, k], negatives, *state)
        slopes.append(slope[:, None])
    return (*state[:-1], xp.add_along_rows(state[-1], columns, xp.concat(slopes, axis=1)))


def _nearest(xp: Backend, positives: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Distances and columns `(b, most)` of each anchor's positives."""
    nearest, columns = xp.smallest(positives, most)
    return xp.where(nearest < float("inf"), nearest, -FAR), columns


def _all_at_once(
    xp: Backend, positives: Tensor, rows: Sequence[Tensor], step: Callable, num_vectors: int, most: int
) -> tuple:
    """One step on a table with a row for each positive: where that is small, calls cost more than arithmetic."""
    num_anchors, num_references = xp.shape(positives)
    nearest, columns = _nearest(xp, positives, most)
    rows = [xp.repeat(x, most) for x in rows]
    d, column = xp.reshape(nearest, (-1,)), xp.reshape(columns, (-1,))
    state, steepness = step(d, column, *rows, *(0.0,) * (num_vectors + 1))
    vectors = [xp.sum(xp.reshape(x, (num_anchors, most)), axis=1) for x in state[:-1]]
    slope = xp.sum(xp.reshape(state[-1], (num_anchors, most, num_references)), axis=1)
    return *vectors, xp.add_along_rows(slope, columns, xp.reshape(steepness, (num_anchors, most)))


def _over_any_positives(
    xp: Backend, positives: Tensor, negatives: Tensor, step: Callable, state: tuple
) -> tuple:
    """Compiled: a loop over the k-th nearest positive of every anchor, until no anchor has one more; shapes are fixed."""
    infinite = float("inf")
    row = xp.arange(xp.shape(positives)[1], positives)
    column_numbers = xp.astype(row, positives)[None, :] + xp.zeros_like(positives[:1])

    def first(candidates: Tensor) -> tuple[Tensor, Tensor]:
        column = xp.argmin(candidates)
        return xp.take_along_rows(candidates, column[:, None])[:, 0], column

    def unfinished(distance: Tensor, *_: Tensor) -> Tensor:
        return xp.any(distance < infinite)

    def body(distance: Tensor, column: Tensor, *state: Tensor) -> tuple:
        here = distance < infinite
        state, steepness = step(xp.where(here, distance, -FAR), column, negatives, *state)
        slope = xp.add_along_rows(state[-1], column[:, None], xp.where(here, steepness, 0.0)[:, None])
        later = xp.astype(column, positives)[:, None] < column_numbers
        after = (positives > distance[:, None]) | ((positives == distance[:, None]) & later)
        distance, column = first(xp.where(after, positives, infinite))
        return distance, column, *state[:-1], slope

    return tuple(xp.while_loop(unfinished, body, (*first(positives), *state))[2:])


def _count_by_sorting(xp: Backend, margin: float, semihard_only: bool) -> Callable:
    def count(distances: Tensor, positives: Tensor, negatives: Tensor, *rest: Tensor) -> tuple:
        is_positive, is_negative, num_positives = rest
        positives, negatives = xp.sort(positives), xp.sort(negatives)
        # negatives nearer than d_ap + margin (and beyond d_ap); positives beyond d_an - margin (and nearer than d_an)
        of_positive = xp.astype(xp.searchsorted(negatives, distances + margin), distances)
        of_negative = -xp.astype(xp.searchsorted(positives, distances - margin, side="right"), distances)
        if semihard_only:
            of_positive = of_positive - xp.astype(
                xp.searchsorted(negatives, distances, side="right"), distances
            )
            of_negative = of_negative + xp.astype(xp.searchsorted(positives, distances), distances)
        else:
            of_negative = of_negative + xp.astype(num_positives, distances)[:, None]
        of_positive = xp.where(is_positive, of_positive, 0.0)
        slope = of_positive - xp.where(is_negative, of_negative, 0.0)
        active = xp.sum(of_positive, axis=1)
        return xp.sum(slope * distances, axis=1) + margin * active, active, slope

    return count


def _semihard_by_sorting(xp: Backend, gap: Gap) -> Callable:
    def select(distances: Tensor, positives: Tensor, negatives: Tensor, *rest: Tensor) -> tuple:
        is_positive, is_negative, _ = rest
        order = xp.argsort(negatives)
        in_order = xp.take_along_rows(negatives, order)
        last = xp.count(is_negative, distances)[:, None] - 1
        place = xp.astype(xp.searchsorted(in_order, distances, side="right"), distances)
        place = xp.astype(xp.where(place > last, xp.relu(last) + 0 * place, place), order)
        real = xp.astype(is_positive & (last >= 0), distances)
        difference = distances + gap.shift - xp.take_along_rows(in_order, place)
        value = real * gap.value(xp, difference)
        steepness = real * gap.slope(xp, difference, value)
        slope = xp.add_along_rows(steepness + 0.0, xp.take_along_rows(order, place), -steepness)
        total = xp.sum(value, axis=1)
        return total, xp.sum(xp.sign(value), axis=1), xp.zeros_like(total), slope

    return select
