"""Soft ranks: how many references of a row are nearer than one of them, counted with a sigmoid."""

from ..backends import Backend, Tensor
from ..slopes import FAR, over_positives

__all__ = ["soft_counts"]


def soft_counts(xp: Backend, distances: Tensor, at: Tensor, among: Tensor, temperature: float) -> Tensor:
    """For each reference in `at`, the soft number of references in `among` that are nearer to the anchor.

    `sum over z of sigmoid((d(a, x) - d(a, z)) / temperature)`: one pass over the row for each reference in
    `at`, forward and backward, so memory is that of a few `(b, r)` tables, never `(b, r, r)`. A reference in
    both masks counts itself as half, whatever its distance.

    Args:
        xp: the backend.
        distances: `(b, r)`.
        at: `(b, r)` bool.
        among: `(b, r)` bool.
        temperature: how far apart two distances must be for the nearer to count as one, in units of the
            distance.

    Returns:
        `(b, r)`, 0 outside `at`.
    """

    def fold(step, distances: Tensor, at: Tensor, among: Tensor) -> Tensor:
        positives = xp.where(at, distances, float("inf"))
        others = xp.where(among, distances, FAR)
        most = int(xp.max(xp.count(at, distances))) if xp.readable(distances) else None
        return over_positives(xp, positives, others, step, (xp.zeros_like(distances),), most)[0]

    def forward(distances: Tensor, at: Tensor, among: Tensor) -> Tensor:
        def step(d: Tensor, column: Tensor, others: Tensor, counts: Tensor) -> tuple:
            return (counts,), xp.sum(xp.sigmoid((d[:, None] - others) / temperature), axis=1)

        return fold(step, distances, at, among)

    def backward(upstream: Tensor, distances: Tensor, at: Tensor, among: Tensor) -> tuple:
        def step(d: Tensor, column: Tensor, others: Tensor, slope: Tensor) -> tuple:
            nearer = xp.sigmoid((d[:, None] - others) / temperature)
            steepness = xp.take_along_rows(upstream, column[:, None]) * nearer * (1 - nearer) / temperature
            return (slope - steepness,), xp.sum(steepness, axis=1)

        return fold(step, distances, at, among), None, None

    # the masks are arguments, as JAX lets no function with a derivative of its own close over traced values
    # (`at` may be `among`, and torch.compile takes no tensor twice)
    return xp.custom_vjp(forward, backward)(distances, at, among | among)
