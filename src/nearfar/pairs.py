"""Which (anchor, reference) pairs are positives and which negatives, as boolean masks."""

from typing import NamedTuple

from .backends import Backend, Tensor, backend_of
from .distributed import everybody

__all__ = ["Pairs", "from_indices", "from_labels", "from_multilabels", "from_views"]


class Pairs(NamedTuple):
    """Masks that say which pairs count. Every batch loss takes one in place of labels.

    Inside `nearfar.distributed.sharded` the references that an anchor has by default are the rows of all processes.
    """

    positive: Tensor  #: (a, r) bool: pull these near
    negative: Tensor  #: (a, r) bool: push these far


def from_labels(labels: Tensor, reference_labels: Tensor | None = None) -> Pairs:
    """Pairs of equal labels are positives, of different labels negatives.

    Args:
        labels: `(a,)` or `(a, 1)` integers of any width, bool, or strings where the framework has them.
        reference_labels: `(r,)` likewise. Left out, the references are the anchors themselves and no anchor is paired
            with itself; given, every (anchor, reference) pair counts.

    Returns:
        Masks of shape `(a, r)`.

    Raises:
        TypeError: labels are floats; ids above 2^24 would collide in float32.
        ValueError: labels are not one per row.

    Example:
        >>> import numpy as np
        >>> from_labels(np.array([7, 7, 8])).positive.tolist()
        [[False, True, False], [True, False, False], [False, False, False]]
    """
    xp = backend_of(labels, reference_labels)
    labels = check_labels(xp, labels, "labels")
    if reference_labels is None:
        (labels,) = xp.as_labels(labels)
        (others,), columns = everybody(xp, labels)
        return block_of_labels(labels, others, columns)
    labels, reference_labels = xp.as_labels(labels, check_labels(xp, reference_labels, "reference_labels"))
    return block_of_labels(labels, reference_labels)


def block_of_labels(labels: Tensor, others: Tensor, own_columns: Tensor | None = None) -> Pairs:
    """The masks of some anchors; where each anchor's own column is given, it is not paired with itself."""
    same = labels[:, None] == others[None, :]
    if own_columns is None:
        return Pairs(same, ~same)
    return Pairs(backend_of(labels).clear_along_rows(same, own_columns), ~same)


def check_labels(xp: Backend, labels: Tensor, name: str) -> Tensor:
    """Labels of shape `(n,)`; `(n, 1)`, as Keras and cifar10 have them, is squeezed."""
    shape = xp.shape(labels)
    if len(shape) == 2 and isinstance(shape[1], int) and shape[1] == 1:
        labels, shape = xp.reshape(labels, (-1,)), shape[:1]
    if len(shape) != 1:
        raise ValueError(
            f"{name} has shape {tuple(labels.shape)}; expected one label per row, (n,) or (n, 1) "
            "(for several labels per row use pairs.from_multilabels)."
        )
    if xp.is_floating(labels):
        raise TypeError(
            f"{name} is of type {labels.dtype}; expected integers, bool or strings: cast them first."
        )
    return labels


def from_multilabels(
    labels: Tensor, reference_labels: Tensor | None = None, *, threshold: float | None = None
) -> Pairs:
    """Pairs of rows that share a label are positives: any overlap, or a Jaccard index of at least `threshold`.

    Args:
        labels: `(a, c)` multi-hot, bool or 0/1.
        reference_labels: `(r, c)` likewise; left out, the anchors themselves (none paired with itself).
        threshold: smallest Jaccard index |A and B| / |A or B| of a positive, 0 ... 1; None means any shared label.

    Returns:
        Masks of shape `(a, r)`; a pair is positive or negative, never both.

    Raises:
        ValueError: not two tables of equally many columns.

    Example:
        >>> import numpy as np
        >>> from_multilabels(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])).positive.tolist()
        [[False, True, False], [True, False, False], [False, False, False]]
    """
    xp = backend_of(labels, reference_labels)
    others = labels if reference_labels is None else reference_labels
    if len(labels.shape) != 2 or len(others.shape) != 2 or labels.shape[1] != others.shape[1]:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)} and the references' {tuple(others.shape)}; "
            "expected multi-hot tables (a, c) and (r, c) with the same c."
        )
    rows = None
    if reference_labels is None:
        (others,), rows = everybody(xp, labels)
    x, y = xp.asfloat(labels), xp.asfloat(others)
    shared = x @ xp.matrix_transpose(y)
    if threshold is None:
        same = shared > 0
    else:
        union = xp.sum(x, axis=1)[:, None] + xp.sum(y, axis=1)[None, :] - shared
        same = (shared >= threshold * union) & (union > 0)
    if rows is None:
        return Pairs(same, ~same)
    return Pairs(xp.clear_along_rows(same, rows), xp.clear_along_rows(~same, rows))


def from_indices(
    positive: tuple[Tensor, Tensor], negative: tuple[Tensor, Tensor], shape: tuple[int, int]
) -> Pairs:
    """Pairs given as index lists.

    Args:
        positive: anchor numbers and reference numbers, each `(n,)` integers, of the pairs to pull near.
        negative: the same of the pairs to push far.
        shape: `(a, r)`, how many anchors and references there are.

    Returns:
        Masks of shape `(a, r)`; a pair given twice counts once.

    Raises:
        ValueError: two index lists of different lengths.

    Example:
        >>> import numpy as np
        >>> from_indices((np.array([0]), np.array([1])), (np.array([0]), np.array([2])), (3, 3)).negative[0].tolist()
        [False, False, True]
    """
    return Pairs(_scatter(*positive, shape), _scatter(*negative, shape))


def _scatter(anchors: Tensor, references: Tensor, shape: tuple[int, int]) -> Tensor:
    xp = backend_of(anchors, references)
    if tuple(anchors.shape) != tuple(references.shape):
        raise ValueError(
            f"an index list of {tuple(anchors.shape)} anchors came with {tuple(references.shape)} references; "
            "expected two of the same length."
        )
    rows, columns = xp.arange(shape[0], anchors), xp.arange(shape[1], anchors)
    in_row = xp.astype(xp.astype(anchors, rows)[None, :] == rows[:, None], xp.asfloat(rows))  # (a, n)
    in_column = xp.astype(xp.astype(references, columns)[:, None] == columns[None, :], xp.asfloat(columns))
    return in_row @ in_column > 0


def from_views(count: int, like: Tensor, *, views: int = 2) -> Pairs:
    """Self-supervised pairs: `views` augmented copies of `count` samples, stacked one view after the other.

    Rows `i`, `i + count`, `i + 2 count`, ... are positives of each other; all other samples are negatives.

    Args:
        count: number of samples per view.
        like: a tensor (the embeddings) whose framework and device the masks take.
        views: how many views are stacked.

    Returns:
        Masks of shape `(views * count, views * count)`.

    Example:
        >>> import numpy as np
        >>> from_views(2, np.zeros((4, 8))).positive[0].tolist()
        [False, False, True, False]
    """
    xp = backend_of(like)
    rows = xp.arange(views * count, like)
    _, numbers = everybody(xp, rows)
    return from_labels(rows % count + (numbers - rows))  # samples of two processes have two labels
