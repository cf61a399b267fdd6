"""Rows of a data set that several processes embedded, together again."""

import sys
from contextlib import suppress
from typing import Any

import numpy as np

from ..backends import backend_of
from ._context import everybody, sharded

__all__ = ["gather_in_order"]


def gather_in_order(
    indices: Any, *tables: Any, size: int | None = None, group: Any = None
) -> tuple[np.ndarray, ...]:
    """Tables of which each process has some rows, whole on every process, each row once and in the data's order.

    Samplers that divide a data set over processes repeat some samples so that all have equally many
    (`torch.utils.data.DistributedSampler` does); measured with these repetitions, recall and precision are
    wrong. Here they are dropped. Processes may have unequal numbers of rows, or none.

    Args:
        indices: `(n,)` integers, which samples of the data set this process has.
        *tables: `(n, ...)` tensors or NumPy arrays of numbers, one row for each of these samples: embeddings,
            labels.
        size: how many samples the data set has; then it is an error if one is missing.
        group: torch: a `ProcessGroup`, by default all processes. JAX: all processes of `jax.distributed`.
            TensorFlow: called by every replica, in `strategy.run`.

    Returns:
        The indices in ascending order, and the tables in that order, in NumPy for evaluation: floats in
        float32 (float64 for float64), integers in int64. With one process the same without an exchange.

    Raises:
        ValueError: tables of other lengths than `indices`, or a sample that no process has; on every process.
        TypeError: tables of strings or objects.

    Example:
        >>> gather_in_order([2, 0, 1, 2], np.array([20.0, 0.0, 10.0, 20.0]), size=3)[1].tolist()
        [0.0, 10.0, 20.0]
    """
    if not tables:
        raise ValueError(
            "gather_in_order came without tables; expected gather_in_order(indices, embeddings)."
        )
    gathered = _gathered(indices, tables, group)
    order, first = np.unique(gathered[0], return_index=True)
    if size is not None and (len(order) != size or (size and (order[0], order[-1]) != (0, size - 1))):
        missing = np.setdiff1d(np.arange(size), order)
        if len(missing):
            raise ValueError(
                f"{len(missing)} of {size} samples are on no process, e.g. {missing[0]}; expected each at "
                "least once."
            )
        raise ValueError(f"indices reach from {order[0]} to {order[-1]}; expected 0 to {size - 1}.")
    return order, *(table[first] for table in gathered[1:])


def _gathered(indices: Any, tables: tuple[Any, ...], group: Any) -> list[np.ndarray]:
    """Indices and tables of all processes, one after the other."""
    if _of_jax(tables):
        from . import _jax

        try:
            rows = _checked(indices, [_jax.own_rows(x) for x in tables])
        except (TypeError, ValueError):
            with suppress(ValueError):
                _jax.gather_processes(None, 1 + len(tables))  # the others wait for a word
            raise
        return _jax.gather_processes(rows, 1 + len(tables))
    if _of_torch(tables):
        import torch

        from . import _torch

        with sharded(group), torch.no_grad():
            rows = [torch.as_tensor(x) for x in _checked(indices, [_plain(x) for x in tables])]
            device = _torch.way_of(group)
            found = [everybody(backend_of(x), x.to(device))[0][0] for x in rows]
        return [x.cpu().numpy() for x in found]
    rows = _checked(indices, [_plain(x) for x in tables])
    if backend_of(*tables).name == "tensorflow":
        import tensorflow as tf

        with sharded():
            tensors = [tf.convert_to_tensor(x) for x in rows]
            rows = [everybody(backend_of(x), x)[0][0].numpy() for x in tensors]
    return rows


def _of_torch(tables: tuple[Any, ...]) -> bool:
    """Whether torch's processes have them; NumPy's arrays are theirs where there are any."""
    torch = sys.modules.get("torch")
    if torch is None or any(not isinstance(x, (torch.Tensor, np.ndarray)) for x in tables):
        return False
    running = torch.distributed.is_available() and torch.distributed.is_initialized()
    return running or any(isinstance(x, torch.Tensor) for x in tables)


def _of_jax(tables: tuple[Any, ...]) -> bool:
    jax = sys.modules.get("jax")
    if jax is None or _of_torch(tables) or any(not isinstance(x, (jax.Array, np.ndarray)) for x in tables):
        return False
    return jax.distributed.is_initialized() or any(isinstance(x, jax.Array) for x in tables)


def _plain(x: Any) -> Any:
    """On the host, in a type that NumPy has."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        return (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()
    x = np.asarray(x)
    return x.astype(np.float32) if "bfloat16" in str(x.dtype) else x


def _checked(indices: Any, tables: list[np.ndarray]) -> list[np.ndarray]:
    found: list[np.ndarray] = [np.asarray(_plain(indices), np.int64).reshape(-1)]
    for x in tables:
        if x.dtype.kind not in "fiub":
            raise TypeError(f"a table is of type {x.dtype}; expected numbers, such as numbers of classes.")
        if len(x) != len(found[0]):
            raise ValueError(
                f"a table of shape {x.shape} came with {len(found[0])} indices; expected one a row."
            )
        wide = x.dtype.kind == "f" and x.dtype.itemsize == 8
        found.append(x.astype(np.float64 if wide else np.float32 if x.dtype.kind == "f" else np.int64))
    return found
