"""Cross-batch memory: embeddings of earlier batches as further references.

The memory is a plain state that functions take and return, of fixed shapes, in the framework of the
embeddings; it compiles, and a checkpoint of its three arrays goes on where it stopped:

    state = memory.init(4096, 128, like=embeddings)
    ...
    references, pairs = memory.references(state, embeddings, labels)
    loss = losses.supcon_loss(embeddings, pairs, references=references)
    state = memory.update(state, embeddings, labels)
"""

from typing import NamedTuple

import numpy as np

from .backends import Tensor, backend_of
from .distributed import everybody
from .pairs import Pairs, check_labels

__all__ = ["Memory", "init", "references", "update"]


class Memory(NamedTuple):
    """Embeddings of earlier batches, the newest first."""

    embeddings: Tensor  #: (size, d) floats
    labels: Tensor  #: (size,) integers
    filled: Tensor  #: (size,) 1 where a row holds an embedding, else 0


def init(size: int, dim: int, *, like: Tensor | None = None, labels_like: Tensor | None = None) -> Memory:
    """An empty memory.

    Args:
        size: how many embeddings it holds.
        dim: their length.
        like: a tensor (the embeddings) whose framework, precision and device the memory takes; NumPy in
            float32 when left out. Half precision is kept in float32.
        labels_like: labels whose type the memory keeps; the framework's type of row numbers when left out,
            which has 32 bits in TensorFlow and JAX.

    Returns:
        A memory of which no row counts.

    Raises:
        ValueError: sizes that are no positive numbers.

    Example:
        >>> init(3, 2).filled.tolist()
        [0, 0, 0]

    References:
        Wang, Zhang, Huang, Scott, "Cross-Batch Memory for Embedding Learning", 2020,
        https://arxiv.org/abs/1912.06798.
    """
    for name, value in (("size", size), ("dim", dim)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} is {value!r}; expected a positive whole number.")
    if like is None:
        like = np.zeros(0, np.float32)
    xp = backend_of(like, labels_like)
    rows, columns = (xp.arange(count, like) for count in (size, dim))
    table = 0 * (xp.asfloat(rows)[:, None] + xp.asfloat(columns)[None, :])
    none = 0 * rows
    return Memory(
        xp.astype(table, xp.asfloat(like)),
        none if labels_like is None else xp.astype(none, labels_like),
        none,
    )


def update(memory: Memory, embeddings: Tensor, labels: Tensor) -> Memory:
    """The memory with a batch put in and as many of its oldest rows dropped.

    Inside `nearfar.distributed.sharded` the rows of all processes go in, in the same order everywhere.

    Args:
        memory: what `init` or `update` returned.
        embeddings: `(n, d)` floats; kept as constants, no gradient reaches them later.
        labels: `(n,)` or `(n, 1)` integers or bool.

    Returns:
        A new memory of the same shapes and types; the one given is left as it is.

    Raises:
        ValueError: shapes that do not fit.
        TypeError: tensors of another framework, labels that are no integers.

    Example:
        >>> state = update(init(3, 1), np.array([[1.0], [2.0]]), np.array([7, 8]))
        >>> state.labels.tolist(), state.filled.tolist()
        ([7, 8, 0], [1, 1, 0])
    """
    labels = _check(memory, embeddings, labels)
    xp = backend_of(memory.embeddings, embeddings)
    (embeddings, labels), _ = everybody(xp, xp.stop_gradient(xp.asfloat(embeddings)), labels)
    size = memory.embeddings.shape[0]
    filled = xp.astype(0 * labels + 1, memory.filled)
    added = Memory(xp.astype(embeddings, memory.embeddings), xp.astype(labels, memory.labels), filled)
    return Memory(*(xp.concat([new, old], axis=0)[:size] for new, old in zip(added, memory, strict=True)))


def references(memory: Memory, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Pairs]:
    """The batch and the memory as references of the batch, and which pairs count.

    No row of the batch is paired with itself, and rows of the memory that are empty yet are in no pair.
    Gradients reach the batch, as anchors and as references; the memory is constant. Call it before the batch
    is put in: a row that is in both would be its own positive.

    Args:
        memory: what `init` or `update` returned.
        embeddings: `(n, d)` floats.
        labels: `(n,)` or `(n, 1)` integers or bool.

    Returns:
        References `(n + size, d)`, and `Pairs` of masks `(n, n + size)`: give them to any loss of the batch
        as `loss(embeddings, pairs, references=references)`.

    Raises:
        ValueError: shapes that do not fit.
        TypeError: tensors of another framework, labels that are no integers.

    Example:
        >>> state = update(init(2, 1), np.array([[5.0]]), np.array([1]))
        >>> _, pairs = references(state, np.array([[1.0], [2.0]]), np.array([1, 3]))
        >>> pairs.positive.tolist()
        [[False, False, True, False], [False, False, False, False]]
    """
    labels = _check(memory, embeddings, labels)
    xp = backend_of(memory.embeddings, embeddings)
    (everyones, all_labels), rows = everybody(xp, xp.asfloat(embeddings), labels)
    columns = xp.arange(xp.shape(everyones)[0], everyones)
    nobody = 0 * xp.astype(memory.filled, columns) - 1
    numbers = xp.concat([columns, nobody], axis=0)
    codes = xp.concat([xp.astype(all_labels, memory.labels), memory.labels], axis=0)
    counted = (xp.concat([0 * columns + 1, xp.astype(memory.filled, columns)], axis=0) > 0)[None, :]
    same = xp.astype(labels, memory.labels)[:, None] == codes[None, :]
    other = rows[:, None] != numbers[None, :]
    table = xp.concat([everyones, xp.astype(memory.embeddings, everyones)], axis=0)
    return table, Pairs(same & other & counted, ~same & counted)


def _check(memory: Memory, embeddings: Tensor, labels: Tensor) -> Tensor:
    xp = backend_of(memory.embeddings, embeddings, labels)
    if len(embeddings.shape) != 2 or embeddings.shape[1] != memory.embeddings.shape[1]:
        width = memory.embeddings.shape[1]
        raise ValueError(
            f"embeddings has shape {tuple(embeddings.shape)}; expected (n, {width}) as the memory."
        )
    labels = check_labels(xp, labels, "labels")
    if labels.shape[0] != embeddings.shape[0] and None not in (labels.shape[0], embeddings.shape[0]):
        raise ValueError(
            f"labels has shape {tuple(labels.shape)} but embeddings {tuple(embeddings.shape)}; expected one "
            "per row."
        )
    if "64" in str(labels.dtype) and "64" not in str(memory.labels.dtype) and _exceeds(labels):
        raise TypeError(
            f"labels is of type {labels.dtype}, of which the memory's {memory.labels.dtype} would cut "
            "digits off; start it with init(..., labels_like=labels)."
        )
    return xp.astype(labels, memory.labels)


def _exceeds(labels: Tensor) -> bool:
    """Whether 64-bit labels may not fit 32 bits; NumPy ones, as JAX is often given, can be looked at."""
    return not isinstance(labels, np.ndarray) or bool(labels.size and np.abs(labels).max() >= 2**31)
