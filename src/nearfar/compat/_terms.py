"""Terms of the ended libraries' losses, on the row contract: what they do with anchors that lack a positive or negative."""

from collections.abc import Callable

from ..backends import Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ..slopes import hinge, semihard, soft_margin

__all__ = ["hard_terms", "semihard_terms"]


def semihard_terms(margin: float, *, self_distance: float | None) -> Callable[[Tensor, Pairs], Terms]:
    """Each positive pair with its semi-hard negative; an anchor without negatives stands in for its own.

    Args:
        margin: of the hinge.
        self_distance: of a row to itself; None takes the smallest of its row.
    """
    gap = hinge(margin)

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        found = semihard(xp, distances, pairs, gap)
        lowest = xp.min(distances, axis=1)[:, None] if self_distance is None else self_distance
        lacking = pairs.positive & ~xp.any(pairs.negative, axis=1)[:, None]
        rest = weighted(xp, xp.relu(margin + distances - lowest), lacking)
        return Terms(*(one + other for one, other in zip(found, rest, strict=True)))

    return terms


def hard_terms(
    margin: float, *, soft: bool = False, self_distance: float | None
) -> Callable[[Tensor, Pairs], Terms]:
    """Farthest positive and nearest negative of every anchor, and every anchor counts.

    Without a positive the anchor itself stands in (the smallest distance of its row), without a negative the
    farthest row of all.

    Args:
        margin: of the hinge.
        soft: `log(1 + exp(d_ap - d_an))` in place of the hinge.
        self_distance: of a row to itself; None takes the smallest of its row.
    """
    gap = soft_margin() if soft else hinge(margin)

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        lowest = xp.min(distances, axis=1) if self_distance is None else self_distance
        some_positive, some_negative = xp.any(pairs.positive, axis=1), xp.any(pairs.negative, axis=1)
        positive = xp.where(some_positive, xp.max(distances, axis=1, where=pairs.positive), lowest)
        negative = xp.min(distances, axis=1, where=pairs.negative)
        negative = xp.where(some_negative, negative, xp.max(distances, axis=1))
        value = gap.of(xp, positive, negative)
        return weighted(xp, value, xp.full_like(value, 1.0) > 0)

    return terms
