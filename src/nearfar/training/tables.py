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


def _pairs(x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    xp = backend_of(x, labels)
    lefts, rights = _rounds(labels, backend_of(x).shape(x)[0] // 2)
    return _rows(x, lefts), _rows(x, rights), xp.take(labels, lefts) == xp.take(labels, rights)


def _triplets(x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    xp = backend_of(x, labels)
    anchors, others = _rounds(labels, backend_of(x).shape(x)[0] - 1)
    same = xp.take(labels, anchors) == xp.take(labels, others)
    negatives = xp.where(same, xp.take(strangers(labels), anchors), others)
    return _rows(x, anchors), _rows(x, xp.take(partners(labels), anchors)), _rows(x, negatives)


def _rounds(labels: Tensor, count: Any) -> tuple[Tensor, Tensor]:
    """Each row `count` times, and the first row after it, the second, and so on, round and round."""
    xp = backend_of(labels)
    n = xp.shape(labels)[0]
    rows, steps = xp.arange(n, labels), xp.arange(count, labels) + 1
    lefts = rows[None, :] + 0 * steps[:, None]
    rights = (rows[None, :] + steps[:, None]) % n
    return xp.reshape(lefts, (-1,)), xp.reshape(rights, (-1,))


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

    - Two views: each row and the next row of its class (`nearfar.combine.partners`).
    - Two towers: two halves of the batch, row `i` of both of one class (`paired_rows`).
    - Pairs: each row with the n // 2 rows after it, round and round, which are all pairs of the batch.
    - Triplets: each row and its partner, against each of the n - 1 other rows; rows of the same class give
      way to a row of another (`strangers`).

    Args:
        inputs: names of the loss's positional parameters.
        embeddings: `(n, d)` floats.
        labels: `(n,)` integers.

    Returns:
        As many tensors as `inputs` has names, of shapes that follow from n alone; `embeddings, labels`
        themselves where the names tell of nothing else.

    Example:
        >>> import numpy as np
        >>> a, p, n = tables(("anchors", "positives", "negatives"), np.eye(4), np.array([0, 0, 1, 1]))
        >>> p[:4].argmax(axis=1).tolist(), n[:4].argmax(axis=1).tolist()
        ([1, 0, 3, 2], [2, 2, 1, 0])
    """
    make = MADE_FOR.get(inputs)
    return (embeddings, labels) if make is None else make(embeddings, labels)
