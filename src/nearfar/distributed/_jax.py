"""JAX: devices along a named axis, inside `shard_map` or `pmap`. All have equally many rows."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._context import Sharding

__all__ = ["AxisGroup", "gather_processes", "group_of", "own_rows"]


def group_of(sharding: Sharding) -> "AxisGroup | None":
    """The devices along the axis; None without a name, for arrays that are whole to the program."""
    return None if sharding.group is None else AxisGroup(sharding.group)


class AxisGroup:
    """The devices along a mesh axis (or several, as a tuple of names)."""

    def __init__(self, axis: Any):
        self.axis = axis

    def gather(self, *tensors: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        """The rows of all devices, and the number of this one's first."""
        rows = len(tensors[0])
        gathered = [lax.all_gather(_summable(x), self.axis, tiled=True) for x in tensors]
        return gathered, rows * lax.axis_index(self.axis)

    def sum(self, x: jax.Array) -> jax.Array:
        """Sum over the devices."""
        return lax.psum(x, self.axis)

    def alike(self, x: jax.Array) -> jax.Array:
        """`x`, of which `shard_map` then knows that it is the same on all devices."""
        return lax.pmean(x, self.axis)


def _summable(x: jax.Array) -> jax.Array:
    """Halves in float32: gradients of gathered rows are summed in the type in which the rows were gathered."""
    x = jnp.asarray(x)
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x


def own_rows(x: Any) -> np.ndarray:
    """The rows of an array that this process holds, once each."""
    if not isinstance(x, jax.Array) or x.is_fully_addressable:
        x = np.asarray(x)
    else:
        parts = {shard.index[0].start or 0: shard.data for shard in x.addressable_shards}
        x = np.concatenate([np.asarray(parts[start]) for start in sorted(parts)])
    return x.astype(np.float32) if x.dtype == jnp.bfloat16 else x


def gather_processes(tables: list[np.ndarray] | None, count: int) -> list[np.ndarray]:
    """The rows of all processes in their order.

    Args:
        tables: `count` NumPy tables of equally many rows; None where this process refuses its part.
        count: how many tables each process has.

    Raises:
        ValueError: on every process, where one refused or rows differ in width.
    """
    if jax.process_count() == 1:
        return tables or []
    from jax.experimental.multihost_utils import process_allgather

    own = [-1] * (1 + count) if tables is None else [len(tables[0]), *map(_row_bytes, tables)]
    headers = np.asarray(process_allgather(np.array(own, np.int32))).reshape(-1, 1 + count)
    if tables is None or headers.min() < 0:
        raise ValueError(
            f"process {headers[:, 0].argmin()} refused its part; its own error says what to change there."
        )
    if (headers[:, 1:] != headers[0, 1:]).any():
        raise ValueError(
            f"the rows of the processes have {headers[:, 1:].tolist()} bytes; expected one width and type."
        )
    return [_gathered_bytes(process_allgather, x, headers[:, 0]) for x in tables]


def _gathered_bytes(gather: Any, x: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    # as bytes, since JAX would cut 64 bits
    padded = np.zeros((sizes.max(), _row_bytes(x)), np.uint8)
    padded[: len(x)] = np.frombuffer(x.tobytes(), np.uint8).reshape(len(x), -1) if len(x) else 0
    everyones = np.asarray(gather(padded))
    rows = np.concatenate([part[:size] for part, size in zip(everyones, sizes, strict=True)])
    return np.frombuffer(rows.tobytes(), x.dtype).reshape(-1, *x.shape[1:])


def _row_bytes(x: np.ndarray) -> int:
    return int(np.prod(x.shape[1:], dtype=np.int64)) * x.itemsize
