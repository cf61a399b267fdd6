"""What a loss takes, made of a batch with labels: a second table, pairs, triplets."""

from collections.abc import Callable, Mapping
from typing import Any

from ..backends import Tensor, backend_of
from ..combine import paired_rows, partners, strangers

__all__ = ["MADE_FOR", "tables"]


def _views(x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    return x, _rows(x, partners(labels))


def _towers(x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    # rows of one table are each other's negatives, so that none may be in both
    return tuple(_rows(x, chosen) for chosen in paired_rows(labels))


def _triplets(x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    return x, _rows(x, partners(labels)), _rows(x, strangers(labels))


def _pairs(x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    xp = backend_of(x, labels)
    others = xp.concat([partners(labels), strangers(labels)])
    doubled = xp.concat([labels, labels])
    return xp.concat([x, x]), _rows(x, others), doubled == xp.take(labels, others)


def _rows(x: Tensor, index: Tensor) -> Tensor:
    return backend_of(x).take(x, index)


#: by the names of a loss's inputs; a loss of other names takes embeddings and labels
MADE_FOR: Mapping[tuple[str, ...], Callable[[Tensor, Tensor], tuple[Tensor, ...]]] = {
    ("views", "other_views"): _views,
    ("queries", "documents"): _towers,
    ("anchors", "positives", "negatives"): _triplets,
    ("lefts", "rights", "same"): _pairs,
}


def tables(inputs: tuple[str, ...], embeddings: Tensor, labels: Tensor) -> tuple[Any, ...]:
    """The positional arguments of a loss, out of a batch with labels.

    Each row's positive is the next row of its class (`nearfar.combine.partners`), its negative a row of
    another class (`strangers`). Two towers are halves of the batch (`paired_rows`).

    Args:
        inputs: names of the loss's positional parameters.
        embeddings: `(n, d)` floats.
        labels: `(n,)` integers.

    Returns:
        As many tensors as `inputs` has names: `embeddings, labels` themselves where the names tell of nothing
        else; two tables of n or n // 2 rows; n triplets; or 2 n pairs, half of them of one class.

    Example:
        >>> import numpy as np
        >>> a, p, n = tables(("anchors", "positives", "negatives"), np.eye(4), np.array([0, 0, 1, 1]))
        >>> p.argmax(axis=1).tolist(), n.argmax(axis=1).tolist()
        ([1, 0, 3, 2], [2, 3, 0, 1])
    """
    make = MADE_FOR.get(inputs)
    return (embeddings, labels) if make is None else make(embeddings, labels)
