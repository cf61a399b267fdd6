"""What the losses of explicit pairs and triplets share: checks, and torch's pairwise distance."""

from collections.abc import Callable

from .. import distances
from ..backends import Backend, Tensor
from ..rows import check_weights

__all__ = ["check_tuples", "in_float", "minkowski", "triplet_distances", "tuple_weights"]


def check_tuples(xp: Backend, **tensors: Tensor) -> None:
    """Refuses tensors that are no tables of floats of one shape."""
    (first, x), *rest = tensors.items()
    for name, y in rest:
        if tuple(y.shape) != tuple(x.shape):
            raise ValueError(
                f"{name} has shape {tuple(y.shape)} but {first} {tuple(x.shape)}; expected the same."
            )
    for name, y in tensors.items():
        if len(y.shape) != 2:
            raise ValueError(f"{name} has shape {tuple(y.shape)}; expected one row per sample, (n, d).")
        if not xp.is_floating(y):
            raise TypeError(f"{name} is of type {y.dtype}; expected floats.")


def in_float(xp: Backend, *tensors: Tensor) -> list[Tensor]:
    """The tensors in at least 32 bits."""
    return [xp.asfloat(x) for x in tensors]


def tuple_weights(xp: Backend, weights: Tensor | None, values: Tensor, name: str) -> Tensor | None:
    """Checked weights `(n,)` of what has a value `(n,)` each, the rows of `name`; None for none."""
    return None if weights is None else check_weights(xp, weights, values, name, "tuple, (n,)")


def triplet_distances(
    xp: Backend,
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    distance: str | Callable | None,
    p: float,
    eps: float,
) -> tuple[Tensor, Tensor, Callable[[], Tensor]]:
    """Checked triplets' distances: anchor to positive, anchor to negative, and on demand positive to negative."""
    check_tuples(xp, anchors=anchors, positives=positives, negatives=negatives)
    a, b, c = in_float(xp, anchors, positives, negatives)
    measure = minkowski(xp, p, eps) if distance is None else lambda x, y: distances.paired(x, y, distance)
    return measure(a, b), measure(a, c), lambda: measure(b, c)


def minkowski(xp: Backend, p: float, eps: float) -> Callable[[Tensor, Tensor], Tensor]:
    """torch's PairwiseDistance: the p-norm of `x - y + eps`, row by row; slope 0 where it is 0."""
    if p < 1:
        raise ValueError(f"p is {p}; expected a norm, p >= 1.")

    def distance(x: Tensor, y: Tensor) -> Tensor:
        difference = xp.abs(x - y + eps)
        if p == float("inf"):
            return xp.max(difference, axis=1)
        if p == 1:
            return xp.sum(difference, axis=1)
        if p == 2:
            return xp.sqrt(xp.sum(difference * difference, axis=1))
        # x ** p = exp(p log x), with slope 0 at 0
        largest = xp.stop_gradient(xp.max(difference, axis=1))
        scale = xp.where(largest > 0, largest, 1.0)[:, None]
        ratio = difference / scale
        positive = ratio > 0
        powers = xp.where(positive, xp.exp(p * xp.log(xp.where(positive, ratio, 1.0))), 0.0)
        total = xp.sum(powers, axis=1)
        some = total > 0
        return xp.where(some, scale[:, 0] * xp.exp(xp.log(xp.where(some, total, 1.0)) / p), 0.0)

    return distance
