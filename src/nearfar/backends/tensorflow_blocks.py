"""Blocks of rows in TensorFlow: loops whose backward pass runs each block again."""

from typing import Any

import tensorflow as tf

_AT_ONCE = 2  # blocks side by side; each holds its memory, and TensorFlow's ten are no quicker


def shape(x):
    """As in the contract."""
    known = x.shape.as_list()
    if None not in known:
        return tuple(known)
    dynamic = tf.shape(x)
    return tuple(dynamic[i] if size is None else size for i, size in enumerate(known))


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


def _loop(whole, body, state):
    """The body for each block."""
    return tf.while_loop(lambda number, *_: number < whole, body, state, parallel_iterations=_AT_ONCE)


def _forward(function, inputs, num_rows, block, summed):
    whole, cut, rest = _blocks(inputs, num_rows, block)
    last = function(*rest)
    if summed:
        totals = tuple(tf.reduce_sum(x) for x in last)

        def add(number, *sums):
            return number + 1, *[
                s + tf.reduce_sum(x) for s, x in zip(sums, function(*cut(number)), strict=True)
            ]

        return list(_loop(whole, add, (0, *totals))[1:])
    columns = tf.map_fn(
        lambda number: tuple(function(*cut(number))),
        tf.range(whole),
        fn_output_signature=tuple(x.dtype for x in last),
        parallel_iterations=_AT_ONCE,
    )
    return [tf.concat([tf.reshape(c, (-1,)), x], axis=0) for c, x in zip(columns, last, strict=True)]


def _backward(function, inputs, num_rows, live, block, summed, upstream):
    whole, cut, rest = _blocks(inputs, num_rows, block)
    of_rows, of_shared = [i for i in live if i < num_rows], [i for i in live if i >= num_rows]

    def gradients(pieces, outer_of) -> dict[int, Any]:
        with tf.GradientTape() as tape:
            tape.watch([pieces[i] for i in live])
            terms = function(*pieces)
        outer = [
            tf.fill(tf.shape(x), u) if summed else outer_of(u) for x, u in zip(terms, upstream, strict=True)
        ]
        found = tape.gradient(terms, [pieces[i] for i in live], outer, tf.UnconnectedGradients.ZERO)
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
    _, arrays, sums = _loop(whole, step, state)
    result = {i: tf.concat([a.concat(), last[i]], axis=0) for a, i in zip(arrays, of_rows, strict=True)}
    result.update(zip(of_shared, sums, strict=True))
    return [result[i] for i in live]
