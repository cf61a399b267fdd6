"""TensorFlow: eager, in tf.function and under XLA; no global switch such as enable_numpy_behavior is needed."""

from contextlib import nullcontext

import tensorflow as tf
from tensorflow import abs, cos, exp, reshape, sigmoid, sign, stop_gradient, zeros_like  # noqa: F401
from tensorflow.math import log, softplus  # noqa: F401
from tensorflow.nn import relu  # noqa: F401

from .tensorflow_blocks import map_rows, shape  # noqa: F401

name = "tensorflow"
matrix_transpose = tf.linalg.matrix_transpose


def block_elements():
    # XLA fuses the dense code: at B = 512 and 2,048 on 2 CPU cores all triplets take 7.5 and 126 ms with jit_compile, 10 and
    # 147 ms without; SupCon 3.8 and 42 against 9 and 51
    return 2**21


def concat(tensors, *, axis=0):
    return tf.concat(tensors, axis=axis)


def is_floating(x):
    return x.dtype.is_floating


def asfloat(x):
    x = tf.convert_to_tensor(x)
    return x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)


def astype(x, like):
    return tf.cast(x, like.dtype)


def as_labels(*labels):
    return tuple(tf.convert_to_tensor(x) for x in labels)


def full_precision(like):
    return nullcontext()


def arange(stop, like):
    return tf.range(stop)


def full_like(x, value):
    return tf.zeros_like(x) + tf.cast(value, x.dtype)


@tf.custom_gradient
def sqrt(x):
    root = tf.sqrt(tf.nn.relu(x))

    def slope(upstream):
        return 0.5 * upstream * tf.math.divide_no_nan(tf.ones_like(root), root)

    return root, slope


def where(condition, x, y):
    x = (
        tf.cast(x, y.dtype) if isinstance(x, (int, float)) else x
    )  # else it would be float32 beside a float64 `y`
    return tf.where(condition, x, y)


def minimum(x, y):
    return tf.where(x <= y, x, y)


def threshold(x, otherwise):
    return tf.where(x > 0, x, tf.cast(otherwise, x.dtype))


def sum(x, *, axis=None, where=None):
    return tf.reduce_sum(x if where is None else tf.where(where, x, 0), axis=axis)


def count(x, like):
    return tf.reduce_sum(tf.cast(x, like.dtype), axis=1)


def mean(x, *, axis=None):
    return tf.reduce_mean(x, axis=axis)


def any(x, *, axis=None):
    return tf.reduce_any(x, axis=axis)


def max(x, *, axis=None, where=None):
    return tf.reduce_max(_fill(x, where, -float("inf")), axis=axis)


def min(x, *, axis=None, where=None):
    return tf.reduce_min(_fill(x, where, float("inf")), axis=axis)


def _fill(x, where, value):
    return x if where is None else tf.where(where, x, tf.cast(value, x.dtype))


def logsumexp(x, *, axis=None, where=None):
    x = _fill(x, where, -float("inf"))
    top = tf.stop_gradient(tf.reduce_max(x, axis=axis, keepdims=True))
    top = tf.where(tf.math.is_inf(top), tf.zeros_like(top), top)
    total = tf.reduce_sum(tf.exp(x - top), axis=axis)
    some = total > 0  # log(0) has an infinite slope
    top = tf.reshape(top, tf.shape(total))
    return tf.where(some, tf.math.log(tf.where(some, total, 1)) + top, _like(total, -float("inf")))


def _like(x, value):
    return tf.fill(tf.shape(x), tf.cast(value, x.dtype))


def argmin(x):
    # two plain minima, for the same reason as in JAX: XLA's argmin is not vectorised on a CPU
    columns = tf.shape(x)[1]
    smallest = tf.reduce_min(x, axis=1, keepdims=True)
    return tf.reduce_min(tf.where(x == smallest, tf.range(columns), columns - 1), axis=1)


def sort(x):
    return tf.sort(x, axis=1)


def argsort(x):
    return tf.argsort(x, axis=1, stable=True)


def smallest(x, k):
    values, index = tf.math.top_k(-x, k)
    return -values, index


def cumulative_sum(x):
    return tf.cumsum(x, axis=1)


def searchsorted(rows, values, *, side="left"):
    if tf.executing_eagerly():
        return tf.searchsorted(rows, values, side=side)
    # under XLA tf.searchsorted compares all with all, (a, m, n): a binary search by gathers does not
    count = shape(rows)[1]
    bits = count.bit_length() if isinstance(count, int) else 31
    found = tf.zeros(tf.shape(values), tf.int32)
    for bit in reversed(range(bits)):
        further = found + 2**bit
        at = tf.gather(rows, tf.minimum(further, count) - 1, batch_dims=1)
        smaller = at < values if side == "left" else at <= values
        found = tf.where((further > 0) & (further <= count) & smaller, further, found)
    return found


def take(x, index):
    return tf.gather(x, index)


def repeat(x, times):
    return tf.repeat(x, times, axis=0)


def take_along_rows(x, index):
    return tf.gather(x, index, batch_dims=1)


def clear_along_rows(mask, columns):
    return mask & (tf.range(tf.shape(mask)[1]) != tf.cast(columns, tf.int32)[:, None])


def add_along_rows(x, index, values):
    row = tf.broadcast_to(tf.range(tf.shape(index)[0])[:, None], tf.shape(index))
    return tf.tensor_scatter_nd_add(x, tf.stack([row, tf.cast(index, tf.int32)], axis=2), values)


def attach_slope(value, slope, at):
    return _attach_slope(tf.stop_gradient(value), tf.stop_gradient(slope), at)


@tf.custom_gradient
def _attach_slope(value, slope, at):
    def gradient(upstream):
        return None, None, upstream[:, None] * slope

    return tf.identity(value), gradient


def custom_vjp(forward, backward):
    @tf.custom_gradient
    def function(*tensors):
        return forward(*tensors), lambda upstream: backward(upstream, *tensors)

    return function


def readable(x):
    return tf.executing_eagerly() and "CPU" in x.device


def while_loop(condition, body, state):
    state = tuple(state)
    return tf.while_loop(condition, body, state, shape_invariants=tuple(x.shape for x in state))


def cond(predicate, true, false, *operands):
    return tf.cond(predicate, lambda: true(*operands), lambda: false(*operands))
