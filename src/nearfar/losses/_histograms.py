"""Histograms that are linear in the values: each value is shared by the two nodes of a grid beside it."""

from ..backends import Backend, Tensor
from ..reduction import safe_divide

__all__ = ["density", "histograms", "look_up", "nodes"]


def nodes(xp: Backend, values: Tensor, bound: float, num_bins: int) -> tuple[Tensor, Tensor]:
    """The node below each value on the grid -bound ... bound, and the share of the node above it."""
    place = (values + bound) * (num_bins / (2 * bound))
    # NaN and what rounding puts outside stay on the grid; the share tells
    inside = xp.minimum(xp.where(place > 0, place, 0.0), xp.full_like(place, num_bins - 0.5))
    index = xp.astype(xp.stop_gradient(inside), xp.arange(1, values))
    return index, place - xp.astype(index, place)


def histograms(xp: Backend, index: Tensor, upper: Tensor, where: Tensor, num_bins: int) -> Tensor:
    """`(a, num_bins + 1)`: how many of each row's values fall on each node, each value shared by its two."""
    row = xp.zeros_like(xp.astype(xp.arange(num_bins + 1, upper), upper))
    rows = xp.zeros_like(xp.sum(upper, axis=1)[:, None] + row[None, :])
    rows = xp.add_along_rows(rows, index, xp.where(where, 1 - upper, 0.0))
    return xp.add_along_rows(rows, index + 1, xp.where(where, upper, 0.0))


def density(
    xp: Backend, index: Tensor, upper: Tensor, where: Tensor, num_bins: int, weights: Tensor | None = None
) -> Tensor:
    """`(num_bins + 1,)` shares of the nodes over all rows, each with its weight; zeros of nothing."""
    rows, counts = histograms(xp, index, upper, where, num_bins), xp.astype(where, upper)
    if weights is not None:
        weights = xp.astype(weights, upper)[:, None]
        rows, counts = weights * rows, weights * counts
    total = xp.sum(rows, axis=0)
    return safe_divide(xp, total, xp.sum(counts) + xp.zeros_like(total))


def look_up(xp: Backend, row: Tensor, index: Tensor) -> Tensor:
    """`(1, n)` values at `(a, r)` columns."""
    found = xp.take_along_rows(row, xp.reshape(index, (1, -1)))
    return xp.reshape(found, xp.shape(index))
