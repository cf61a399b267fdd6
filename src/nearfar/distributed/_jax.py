"""JAX: devices along a named axis, inside `shard_map` or `pmap`. All have equally many rows."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ._context import Sharding

__all__ = ["AxisGroup", "group_of"]


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
