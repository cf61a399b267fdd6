"""Triplets whose negative is compared with the nearer of anchor and positive: `min(d_an, d_pn)` in place of `d_an`.

This needs the positives' rows of distances too, so it runs dense.
"""

from collections.abc import Callable

from .backends import Backend, Tensor
from .mining import distance_weights
from .pairs import Pairs
from .reduction import Terms
from .slopes import FAR, Gap, over_positives

__all__ = ["swapped_triplets"]


def swapped_triplets(
    xp: Backend,
    distances: Tensor,
    cross: Tensor,
    pairs: Pairs,
    gap: Gap,
    mining: str,
    dimension: int,
    margin: float,
) -> Terms:
    """Terms of the triplets that `mining` chooses by `d_ap` and `d_an`, with the swapped distance in the loss.

    Args:
        xp: the backend.
        distances: `(a, r)`, anchors to references.
        cross: `(r, r)`, references to references.
        pairs: masks `(a, r)`.
        gap: the loss of a triplet.
        mining: a name.
        dimension: length of the rows, for `"distance_weighted"`.
        margin: for `"semihard_within_margin"`.

    Returns:
        Terms, `(a,)` each.

    References:
        Balntas, Riba, Ponsa, Mikolajczyk, "Learning local feature descriptors with triplets and shallow convolutional
        neural networks", BMVC 2016, section 2 ("anchor swap").
    """

    # the masks are arguments, as JAX lets no function with a derivative of its own close over traced values
    def fold(scale: Tensor, distances: Tensor, cross: Tensor, *masks: Tensor) -> tuple[Tensor, ...]:
        pairs = Pairs(*masks)
        choose = _chooser(xp, xp.stop_gradient(distances), pairs, mining, dimension, margin)
        infinite = xp.full_like(distances, float("inf"))
        positives = xp.where(pairs.positive, distances, infinite)

        def step(
            d: Tensor, column: Tensor, _: Tensor, total: Tensor, valid: Tensor, active: Tensor, *slopes
        ) -> tuple:
            cross_slope, slope = slopes
            here = (d > -FAR)[:, None]
            weight = xp.where(here, choose(d), 0.0)
            other = xp.take(cross, column)
            own = distances <= other
            difference = xp.where(here, (d + gap.shift)[:, None] - xp.where(own, distances, other), 0.0)
            value = gap.value(xp, difference)
            steepness = weight * gap.slope(xp, difference, value)
            terms = weight * value
            share = xp.sum(weight, axis=1)
            total, valid = total + xp.sum(terms, axis=1), valid + share
            active = active + xp.sum(weight * xp.astype(value > 0, value), axis=1)
            steepness = scale[:, None] * steepness
            cross_slope = _add_rows(xp, cross_slope, column, xp.where(own, 0.0, -steepness))
            slope = slope - xp.where(own, steepness, 0.0)
            return (total, valid, active, cross_slope, slope), xp.sum(steepness, axis=1)

        zero = xp.zeros_like(scale)
        state = (zero, zero, zero, xp.zeros_like(cross), xp.zeros_like(distances))
        most = int(xp.max(xp.count(pairs.positive, distances))) if xp.readable(distances) else None
        return over_positives(xp, positives, distances, step, state, most)

    def forward(distances: Tensor, *rest: Tensor) -> Tensor:
        return fold(xp.full_like(xp.sum(distances, axis=1), 1.0), distances, *rest)[0]

    def backward(upstream: Tensor, distances: Tensor, *rest: Tensor) -> tuple:
        cross_slope, slope = fold(upstream, distances, *rest)[3:]
        return slope, cross_slope, None, None

    ones = xp.full_like(xp.sum(distances, axis=1), 1.0)
    total = xp.custom_vjp(forward, backward)
    counts = fold(xp.stop_gradient(ones), xp.stop_gradient(distances), xp.stop_gradient(cross), *pairs)
    return Terms(total(distances, cross, *pairs), xp.stop_gradient(counts[1]), xp.stop_gradient(counts[2]))


def _add_rows(xp: Backend, x: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    """`x` (r, r) with each of `values` (a, r) added at its row, as a product with the 0/1 matrix of rows."""
    numbers = xp.arange(xp.shape(x)[0], x)
    hit = xp.astype(numbers[:, None] == xp.astype(rows, numbers)[None, :], values)
    return x + hit @ values


def _chooser(
    xp: Backend, distances: Tensor, pairs: Pairs, mining: str, dimension: int, margin: float
) -> Callable[[Tensor], Tensor]:
    """Weights (a, r) of the negatives that go with each anchor's positive at distance `d` (a,)."""
    infinite = float("inf")
    negatives = xp.where(pairs.negative, distances, infinite)
    every = xp.astype(pairs.negative, distances)
    columns = xp.arange(xp.shape(distances)[1], distances)

    def only(column: Tensor, valid: Tensor) -> Tensor:
        return xp.astype(
            (xp.astype(column, columns)[:, None] == columns[None, :]) & valid[:, None], distances
        )

    some = xp.any(pairs.negative, axis=1)
    nearest = only(xp.argmin(negatives), some)
    farthest = only(xp.argmin(xp.where(pairs.negative, -distances, infinite)), some)
    far_positive = xp.max(distances, axis=1, where=pairs.positive)
    near_positive = xp.min(distances, axis=1, where=pairs.positive)

    def beyond(d: Tensor, otherwise: Tensor) -> Tensor:
        candidates = xp.where(negatives > d[:, None], negatives, infinite)
        found = xp.min(candidates, axis=1) < infinite
        return only(xp.argmin(candidates), found) + xp.where(found[:, None], 0.0, otherwise)

    def band(d: Tensor) -> Tensor:
        return xp.where((negatives > d[:, None]) & (negatives < (d + margin)[:, None]), every, 0.0)

    def share(d: Tensor, chosen: Tensor, of: Tensor) -> Tensor:
        # equally far positives share the anchor's one triplet
        ties = xp.count(pairs.positive & (distances == of[:, None]), distances)
        return xp.where((d == of)[:, None], chosen / xp.where(ties > 0, ties, 1.0)[:, None], 0.0)

    return {
        "all": lambda d: every,
        "semihard": lambda d: beyond(d, farthest),
        "semihard_within_margin": band,
        "hard": lambda d: share(d, nearest, far_positive),
        "easy_positive": lambda d: share(d, nearest, near_positive),
        "easy_positive_semihard": lambda d: share(d, beyond(d, nearest), near_positive),
        "distance_weighted": lambda d: distance_weights(distances, pairs, dimension),
    }[mining]
