"""Sums and means over the terms that count."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .backends import Backend, Tensor
from .distributed import add_up

__all__ = [
    "REDUCTIONS",
    "Terms",
    "add",
    "check_reduction",
    "reduce_rows",
    "reduce_sums",
    "safe_divide",
    "weigh",
    "weighted",
]

REDUCTIONS = ("mean", "active_mean", "sum", "none")


class Terms(NamedTuple):
    """What a loss has to say of each anchor: `(a,)` each. A loss of several parts gives several of these."""

    total: Tensor  #: sum of the anchor's terms
    valid: Tensor  #: how many terms it has
    active: Tensor  #: how many of them are positive


def check_reduction(reduction: str) -> None:
    """Refuses unknown names."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction {reduction!r} is not known; expected one of {', '.join(REDUCTIONS)}.")


def safe_divide(xp: Backend, total: Tensor, count: Tensor) -> Tensor:
    """total / count, 0 where nothing was counted."""
    return total / xp.threshold(count, 1.0)


def reduce_sums(xp: Backend, parts: Sequence[Terms], reduction: str) -> Tensor:
    """Parts whose fields are sums over all anchors -> scalar; parts are averaged each over its own count and added."""
    totals = [part.total for part in parts]
    if reduction == "sum":
        return add(add_up(xp, totals))
    sums = add_up(xp, [*totals, *(part.valid if reduction == "mean" else part.active for part in parts)])
    return add([safe_divide(xp, *pair) for pair in zip(sums[: len(parts)], sums[len(parts) :], strict=True)])


def reduce_rows(xp: Backend, parts: Sequence[Terms], reduction: str) -> Tensor:
    """Parts with a value per anchor -> scalar, or each anchor's mean over its own terms for `"none"`."""
    if reduction == "none":
        return add([safe_divide(xp, part.total, part.valid) for part in parts])
    count = "active" if reduction == "active_mean" else "valid"
    total = [
        part._replace(total=xp.sum(part.total), **{count: xp.sum(getattr(part, count))}) for part in parts
    ]
    return reduce_sums(xp, total, reduction)


def weighted(xp: Backend, terms: Tensor, where: Tensor) -> Terms:
    """Terms of shape `(a,)` or `(a, k)`, of which those in `where` count."""
    kept = xp.where(where, terms, 0.0)
    active = xp.sign(xp.stop_gradient(xp.relu(kept)))
    if len(terms.shape) == 1:
        return Terms(kept, xp.astype(where, kept), active)
    return Terms(xp.sum(kept, axis=1), xp.count(where, kept), xp.sum(active, axis=1))


def reduce_values(xp: Backend, values: Tensor, weights: Tensor | None, reduction: str) -> Tensor:
    """Explicit pairs or triplets, `(n,)` terms that all count by their weights, -> scalar, or the terms for `"none"`."""
    part = weighted(xp, values, xp.full_like(values, 1.0) > 0)
    if weights is not None:
        part = weigh(part, weights, reduction)
    return part.total if reduction == "none" else reduce_rows(xp, [part], reduction)


def weigh(part: Terms, weights: Tensor, reduction: str) -> Terms:
    """Terms as if each anchor were given as often as its weight says; for `"none"` its mean times its weight."""
    counted = 1 if reduction == "none" else weights
    return Terms(weights * part.total, counted * part.valid, counted * part.active)


def add(values: Iterable[Tensor]) -> Tensor:
    """The sum of one tensor or more."""
    first, *rest = values
    for value in rest:
        first = first + value
    return first
