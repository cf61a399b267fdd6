"""NumPy: reference values, without gradients."""

from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy import abs, concatenate, cos, exp, log, matrix_transpose, minimum, reshape, sign, where  # noqa: F401

name = "numpy"


def block_elements():
    return 2**20


def shape(x):
    return x.shape


def is_floating(x):
    return np.issubdtype(x.dtype, np.floating) or x.dtype.name == "bfloat16"


def asfloat(x):
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)


def astype(x, like):
    return x.astype(like.dtype)


def as_labels(*labels):
    return labels


def full_precision(like):
    return nullcontext()


def arange(stop, like):
    return np.arange(stop)


def zeros_like(x):
    return np.zeros_like(x)


def full_like(x, value):
    return np.full_like(x, value)


def concat(tensors, *, axis=0):
    return concatenate(tensors, axis=axis)


def sqrt(x):
    return np.sqrt(np.maximum(x, 0))


def relu(x):
    return np.maximum(x, 0)


def softplus(x):
    return np.logaddexp(x, np.zeros((), x.dtype))


def sigmoid(x):
    return np.exp(-np.logaddexp(-x, np.zeros((), x.dtype)))


def threshold(x, otherwise):
    return np.where(x > 0, x, otherwise)


def sum(x, *, axis=None, where=None):
    return np.sum(x, axis=axis, where=True if where is None else where)


def count(x, like):
    return np.count_nonzero(x, axis=1).astype(like.dtype)


def mean(x, *, axis=None):
    return np.mean(x, axis=axis)


def any(x, *, axis=None):
    return np.any(x, axis=axis)


def max(x, *, axis=None, where=None):
    return np.max(x, axis=axis, initial=-np.inf, where=True if where is None else where)


def min(x, *, axis=None, where=None):
    return np.min(x, axis=axis, initial=np.inf, where=True if where is None else where)


def logsumexp(x, *, axis=None, where=None):
    x = x if where is None else np.where(where, x, -np.inf)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, np.zeros((), x.dtype))
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis=axis)


def argmin(x):
    return np.argmin(x, axis=1)


def sort(x):
    return np.sort(x, axis=1)


def argsort(x):
    return np.argsort(x, axis=1, kind="stable")


def smallest(x, k):
    index = argsort(x)[:, :k]
    return take_along_rows(x, index), index


def cumulative_sum(x):
    return np.cumsum(x, axis=1)


def searchsorted(rows, values, *, side: Any = "left"):
    found = [np.searchsorted(row, value, side=side) for row, value in zip(rows, values, strict=True)]
    return np.stack(found) if found else np.zeros(values.shape, int)


def take(x, index):
    return x[index]


def repeat(x, times):
    return np.repeat(x, times, axis=0)


def take_along_rows(x, index):
    return np.take_along_axis(x, index, axis=1)


def clear_along_rows(mask, columns):
    mask = mask.copy()
    mask[np.arange(len(mask)), columns] = False
    return mask


def add_along_rows(x, index, values):
    np.add.at(x, (np.arange(len(x))[:, None], index), values)
    return x


def stop_gradient(x):
    return x


def attach_slope(value, slope, at):
    return value


def custom_vjp(forward, backward):
    return forward


def readable(x):
    return True


def while_loop(condition, body, state):
    while condition(*state):
        state = body(*state)
    return state


def cond(predicate, true, false, *operands):
    return true(*operands) if predicate else false(*operands)


def map_rows(function, rows, shared, *, block, summed) -> tuple[Any, ...]:
    starts = range(0, len(rows[0]), block)
    parts = [function(*(x[i : i + block] for x in rows), *shared) for i in starts]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return tuple(column.sum() for column in columns) if summed else tuple(columns)
