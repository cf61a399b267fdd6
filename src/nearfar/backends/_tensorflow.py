"""TensorFlow: eager, in tf.function and under XLA; no global switch such as enable_numpy_behavior is needed."""

from contextlib import nullcontext

import tensorflow as tf
from tensorflow import abs, cos, exp, reshape, sigmoid, sign, stop_gradient, zeros_like  # noqa: F401
from tensorflow.math import log, softplus  # noqa: F401
from tensorflow.nn import relu  # noqa: F401

name = "tensorflow"
matrix_transpose = tf.linalg.matrix_transpose


def block_elements():
    return 2**21


def shape(x):
    known = x.shape.as_list()
    if None not in known:
        return tuple(known)
    dynamic = tf.shape(x)
    return tuple(dynamic[i] if size is None else size for i, size in enumerate(known))


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


def arccos(x):
    inside = tf.abs(x) < 1
    ends = tf.where(x > 0, tf.zeros_like(x), tf.zeros_like(x) + 3.141592653589793)
    return tf.where(inside, tf.acos(tf.where(inside, x, 0)), ends)


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


def map_rows(function, rows, shared, *, block, summed):
    """Blocks in a tf.while_loop; the backward pass runs each block again under a tape of its own."""
    rows, shared = [tf.convert_to_tensor(x) for x in rows], [tf.convert_to_tensor(x) for x in shared]
    tensors = [*rows, *shared]
    live = [i for i, x in enumerate(tensors) if x.dtype.is_floating]

    def run(*floats):
        inputs = list(tensors)
        for i, x in zip(live, floats, strict=True):
            inputs[i] = x
        value = _forward(function, inputs, len(rows), block, summed)

        def gradient(*upstream):
            return _backward(function, inputs, len(rows), live, block, summed, upstream)

        return value, gradient

    return tuple(tf.custom_gradient(run)(*[tensors[i] for i in live]))


def _blocks(inputs, num_rows, block):
    """How many whole blocks there are, a function that cuts block `number` out, and the rows that remain."""
    count = shape(inputs[0])[0]
    whole = (count - 1) // block  # at least one row remains: no reduction ever sees an empty block

    def cut(number):
        # tf.slice with a fixed size: a sliced range of a traced start has no static shape under XLA
        pieces = [
            tf.slice(x, [number * block] + [0] * (len(x.shape) - 1), [block, *shape(x)[1:]])
            for x in inputs[:num_rows]
        ]
        return pieces + inputs[num_rows:]

    return whole, cut, [x[whole * block :] for x in inputs[:num_rows]] + inputs[num_rows:]


def _forward(function, inputs, num_rows, block, summed):
    whole, cut, rest = _blocks(inputs, num_rows, block)
    last = function(*rest)
    if summed:
        totals = tuple(tf.reduce_sum(x) for x in last)

        def add(number, *sums):
            return number + 1, *[
                s + tf.reduce_sum(x) for s, x in zip(sums, function(*cut(number)), strict=True)
            ]

        return list(tf.while_loop(lambda number, *_: number < whole, add, (0, *totals))[1:])
    columns = tf.map_fn(
        lambda number: tuple(function(*cut(number))),
        tf.range(whole),
        fn_output_signature=tuple(x.dtype for x in last),
    )
    return [tf.concat([tf.reshape(c, (-1,)), x], axis=0) for c, x in zip(columns, last, strict=True)]


def _backward(function, inputs, num_rows, live, block, summed, upstream):
    whole, cut, rest = _blocks(inputs, num_rows, block)
    of_rows, of_shared = [i for i in live if i < num_rows], [i for i in live if i >= num_rows]

    def gradients(pieces, outer_of):
        with tf.GradientTape() as tape:
            tape.watch([pieces[i] for i in live])
            terms = function(*pieces)
        outer = [
            tf.fill(tf.shape(x), u) if summed else outer_of(u) for x, u in zip(terms, upstream, strict=True)
        ]
        found = tape.gradient(terms, [pieces[i] for i in live], outer, unconnected_gradients="zero")
        return dict(zip(live, found, strict=True))

    last = gradients(rest, lambda u: u[whole * block :])
    arrays = [
        tf.TensorArray(inputs[i].dtype, size=whole, element_shape=(block, *inputs[i].shape[1:]))
        for i in of_rows
    ]

    def step(number, arrays, sums):
        found = gradients(cut(number), lambda u: tf.slice(u, [number * block], [block]))
        arrays = [a.write(number, found[i]) for a, i in zip(arrays, of_rows, strict=True)]
        return number + 1, arrays, [s + found[i] for s, i in zip(sums, of_shared, strict=True)]

    state = (0, arrays, [last[i] for i in of_shared])
    _, arrays, sums = tf.while_loop(lambda number, *_: number < whole, step, state)
    result = {i: tf.concat([a.concat(), last[i]], axis=0) for a, i in zip(arrays, of_rows, strict=True)}
    result.update(zip(of_shared, sums, strict=True))
    return [result[i] for i in live]
