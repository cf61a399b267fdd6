"""JAX: eager and under jit, vmap, grad and shard_map."""

from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn import relu, sigmoid, softplus  # noqa: F401
from jax.numpy import cos, exp, log, matrix_transpose, reshape, sign, where, zeros_like  # noqa: F401

name = "jax"
full_like = jnp.full_like
stop_gradient = lax.stop_gradient


def block_elements():
    # Dense code is fused: SupCon's gradient at B = 512 and 2,048 takes 57 and 183 ms operation by operation, 5.7 and 113 ms
    # under jit on 2 busy CPU cores, in 28 fusions and 2.5 tables of B x B; that of all triplets 1.1 and 1.3 s, 9 and 331 ms.
    return 2**21


def shape(x):
    return x.shape


def is_floating(x):
    return jnp.issubdtype(x.dtype, jnp.floating)


def asfloat(x):
    return jnp.asarray(x) if x.dtype in (jnp.float32, jnp.float64) else jnp.asarray(x, jnp.float32)


def astype(x, like):
    return x.astype(like.dtype)


def as_labels(*labels):
    # JAX would cut int64 to 32 bits and has no strings: NumPy labels become codes that differ where the labels differ
    if all(isinstance(x, np.ndarray) for x in labels):
        codes = np.unique(np.concatenate(labels), return_inverse=True)[1].astype(np.int32)
        return tuple(jnp.asarray(x) for x in np.split(codes, np.cumsum([len(x) for x in labels])[:-1]))
    return tuple(jnp.asarray(x) for x in labels)


def full_precision(like):
    return nullcontext()


def arange(stop, like):
    return jnp.arange(stop)


def concat(tensors, *, axis=0):
    return jnp.concatenate(tensors, axis=axis)


def abs(x):
    return relu(x) + relu(-x)  # jnp.abs has slope 1 at 0


def sqrt(x):
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0 * x)  # 0 * x: NaN stays NaN


def minimum(x, y):
    return jnp.where(x <= y, x, y)


def threshold(x, otherwise):
    return jnp.where(x > 0, x, otherwise)


def sum(x, *, axis=None, where=None):
    return jnp.sum(x, axis=axis, where=where)


def count(x, like):
    return jnp.sum(x, axis=1, dtype=like.dtype)


def mean(x, *, axis=None):
    return jnp.mean(x, axis=axis)


def any(x, *, axis=None):
    return jnp.any(x, axis=axis)


def max(x, *, axis=None, where=None):
    return jnp.max(x, axis=axis, initial=-jnp.inf, where=where)


def min(x, *, axis=None, where=None):
    return jnp.min(x, axis=axis, initial=jnp.inf, where=where)


def logsumexp(x, *, axis=None, where=None):
    return jax.nn.logsumexp(x, axis=axis, where=where)


def argmin(x):
    # two plain minima: XLA's argmin is not vectorised on a CPU and took 10 ms where each of these takes 0.5 (2,048^2)
    column = jnp.arange(x.shape[1])
    first = jnp.min(jnp.where(x == jnp.min(x, axis=1, keepdims=True), column, x.shape[1] - 1), axis=1)
    return first


def sort(x):
    return jnp.sort(x, axis=1)


def argsort(x):
    return jnp.argsort(x, axis=1, stable=True)


def smallest(x, k):
    values, index = lax.top_k(-x, k)
    return -values, index


def cumulative_sum(x):
    return jnp.cumsum(x, axis=1)


def searchsorted(rows, values, *, side="left"):
    return jax.vmap(lambda row, value: jnp.searchsorted(row, value, side=side))(rows, values)


def take(x, index):
    return x[index]


def repeat(x, times):
    return jnp.repeat(x, times, axis=0)


def take_along_rows(x, index):
    return jnp.take_along_axis(x, index, axis=1)


def clear_along_rows(mask, columns):
    return mask & (jnp.arange(mask.shape[1]) != columns[:, None])


def add_along_rows(x, index, values):
    return x.at[jnp.arange(x.shape[0])[:, None], index].add(values)


def attach_slope(value, slope, at):
    at_zero = at - lax.stop_gradient(at)
    return lax.stop_gradient(value) + jnp.sum(lax.stop_gradient(slope) * at_zero, axis=1)


def custom_vjp(forward, backward):
    function = jax.custom_vjp(forward)
    function.defvjp(
        lambda *tensors: (forward(*tensors), tensors), lambda tensors, upstream: backward(upstream, *tensors)
    )
    return function


def readable(x):
    return False  # control flow is always lax's, so that eager and jit run the same program


def while_loop(condition, body, state):
    return lax.while_loop(lambda state: condition(*state), lambda state: body(*state), state)


def cond(predicate, true, false, *operands):
    return lax.cond(predicate, true, false, *operands)


def map_rows(function, rows, shared, *, block, summed):
    run = jax.checkpoint(lambda rows: function(*rows, *shared))
    count = rows[0].shape[0]
    whole = count // block * block
    parts = []
    if whole:
        blocks = tuple(x[:whole].reshape(-1, block, *x.shape[1:]) for x in rows)
        if summed:
            parts.append(_sums(run, blocks))
        else:
            parts.append(tuple(x.reshape(-1) for x in lax.map(run, blocks)))
    if whole < count:
        rest = run(tuple(x[whole:] for x in rows))
        parts.append(tuple(jnp.sum(x) for x in rest) if summed else rest)
    columns = zip(*parts, strict=True)
    return tuple(jnp.sum(jnp.stack(c)) if summed else jnp.concatenate(c) for c in columns)


def _sums(run, blocks):
    # no running sum: inside shard_map its start would have to be told along which axes it varies
    sums = lax.map(lambda rows: tuple(jnp.sum(x) for x in run(rows)), blocks)
    return tuple(jnp.sum(x) for x in sums)
