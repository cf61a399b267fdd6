"""PyTorch: eager on any device, and under torch.compile without graph breaks."""

from contextlib import nullcontext
from functools import partial

import torch
from torch import abs, cos, exp, log, relu, reshape, sigmoid, sign, zeros_like  # noqa: F401
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus  # noqa: F401
from torch.nn.functional import threshold as _threshold
from torch.utils.checkpoint import checkpoint

name = "torch"
full_like = torch.full_like
_HALF = (torch.float16, torch.bfloat16)

# Once 31 MB have been given back, glibc keeps freed memory of that order, where it would return each block's memory to
# the kernel and fetch it anew: a batch of 1,024 takes 1.5 times as long then. Nothing is written to these 31 MB.
torch.empty(31 * 2**20, dtype=torch.uint8)


def block_elements():
    # Blocks would be unrolled into the graph, and dense code is fused. Measured on 2 CPU cores, forward and backward, at
    # B = 512 and 2,048: all triplets take 6.9 and 98 ms compiled by inductor, 6.2 and 95 ms eagerly in blocks; SupCon 7.6
    # and 94 against 4.0 and 69. Compiling is for models that are compiled as a whole, not for speed of the loss on a CPU.
    if torch.compiler.is_compiling():
        return 2**62
    # Stays in the cache. On 2 CPU cores (32 MB of L3) blocks of half the size take 1.2 to 1.4 times as long at B = 1,024 to
    # 8,192, twice the size just as long, and dense code 2.4 times as long at 4,096.
    return 2**19


def shape(x):
    return tuple(x.shape)


def is_floating(x):
    return x.is_floating_point()


def asfloat(x):
    return x if x.is_floating_point() and x.dtype not in _HALF else x.float()


def astype(x, like):
    return x.to(like.dtype)


def as_labels(*labels):
    return labels


def full_precision(like):
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def arange(stop, like):
    return torch.arange(stop, device=like.device)


def concat(tensors, *, axis=0):
    return torch.cat(tuple(tensors), dim=axis)


def matrix_transpose(x):
    return x.mT


class _Sqrt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        root = x.relu().sqrt_()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx, gradient):
        (root,) = ctx.saved_tensors
        return gradient / _threshold(root, 0.0, torch.inf) * 0.5  # a number / infinity: slope 0 at 0


def sqrt(x):
    return _Sqrt.apply(x)


def where(condition, x, y):
    return torch.where(condition, x, y)


def threshold(x, otherwise):
    return _threshold(x, 0.0, otherwise)


def minimum(x, y):
    return torch.where(x <= y, x, y)


def sum(x, *, axis=None, where=None):
    if where is not None:
        x = _fill(x, where, 0)
    return x.sum() if axis is None else x.sum(dim=axis)


def count(x, like):
    return x.view(torch.int8).sum(dim=1, dtype=like.dtype)  # a sum of bool makes them 64 bits wide first


def mean(x, *, axis=None):
    return x.mean() if axis is None else x.mean(dim=axis)


def any(x, *, axis=None):
    return x.any() if axis is None else x.any(dim=axis)


def max(x, *, axis=None, where=None):
    return _fill(x, where, -torch.inf).amax(dim=() if axis is None else axis)


def min(x, *, axis=None, where=None):
    return _fill(x, where, torch.inf).amin(dim=() if axis is None else axis)


def _fill(x, where, value):
    return x if where is None else torch.where(where, x, value)  # on a CPU masked_fill takes twice the time


def logsumexp(x, *, axis=None, where=None):
    return torch.logsumexp(_fill(x, where, -torch.inf), dim=tuple(range(x.ndim)) if axis is None else axis)


def argmin(x):
    return torch.min(x, dim=1).indices


def sort(x):
    return torch.sort(x, dim=1).values


def argsort(x):
    return torch.argsort(x, dim=1, stable=True)


def smallest(x, k):
    return torch.topk(x, k, dim=1, largest=False)


def cumulative_sum(x):
    return torch.cumsum(x, dim=1)


def searchsorted(rows, values, *, side="left"):
    return torch.searchsorted(rows.contiguous(), values.contiguous(), side=side)


def take(x, index):
    return x.index_select(0, index)


def repeat(x, times):
    return x.repeat_interleave(times, dim=0)


def take_along_rows(x, index):
    return x.gather(1, index)


def clear_along_rows(mask, columns):
    return mask.scatter(1, columns[:, None], False)


def add_along_rows(x, index, values):
    if torch.compiler.is_compiling():  # the state of a compiled loop must not change in place
        return x.scatter_add(1, index, values)
    return x.scatter_add_(1, index, values)


def stop_gradient(x):
    return x.detach()


class _AttachSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, slope, at):
        ctx.save_for_backward(slope)
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        (slope,) = ctx.saved_tensors
        return None, None, gradient[:, None] * slope


def attach_slope(value, slope, at):
    return _AttachSlope.apply(value, slope, at)


class _Custom(torch.autograd.Function):
    @staticmethod
    def forward(ctx, forward, backward, *tensors):
        ctx.save_for_backward(*tensors)
        ctx.rule = backward
        return forward(*tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        return None, None, *ctx.rule(upstream, *ctx.saved_tensors)


def custom_vjp(forward, backward):
    return lambda *tensors: _Custom.apply(forward, backward, *tensors)


def readable(x):
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def while_loop(condition, body, state):
    if torch.compiler.is_compiling():
        return torch.while_loop(condition, body, tuple(state))
    while condition(*state):
        state = body(*state)
    return state


def cond(predicate, true, false, *operands):
    if torch.compiler.is_compiling():
        return torch.cond(predicate, true, false, operands)
    return true(*operands) if predicate else false(*operands)


class _SumRows(torch.autograd.Function):
    """Sums over blocks of rows; each block's gradient is taken at once and kept, so no block outlives its turn."""

    @staticmethod
    def forward(ctx, function, num_rows, block, *tensors):
        needed = [i for i, need in enumerate(ctx.needs_input_grad[3:]) if need]
        sums, grads = [], {}
        for start in range(0, len(tensors[0]), block):
            inputs = [x.detach()[start : start + block] for x in tensors[:num_rows]]
            inputs += [x.detach() for x in tensors[num_rows:]]
            for i in needed:
                inputs[i].requires_grad_()
            with torch.enable_grad():
                terms = [term.sum() for term in function(*inputs)]
            sums = [sums[t] + term.detach() if sums else term.detach() for t, term in enumerate(terms)]
            live = [t for t, term in enumerate(terms) if term.requires_grad] if needed else []
            for t in live:
                found = torch.autograd.grad(
                    terms[t], [inputs[i] for i in needed], retain_graph=t != live[-1], allow_unused=True
                )
                for i, gradient in zip(needed, found, strict=True):
                    _accumulate(grads, (t, i), gradient, tensors[i], start if i < num_rows else None)
        ctx.grads, ctx.count = grads, len(tensors)
        return tuple(sums)

    @staticmethod
    @once_differentiable
    def backward(ctx, *outer):
        totals = [None] * ctx.count
        for (t, i), gradient in ctx.grads.items():
            scaled = outer[t] * gradient
            totals[i] = scaled if totals[i] is None else totals[i] + scaled
        return None, None, None, *totals


def _accumulate(grads, key, gradient, like, start):
    if gradient is None:
        return
    if key not in grads:
        grads[key] = torch.zeros_like(like)
    if start is None:
        grads[key] += gradient
    else:
        grads[key][start : start + len(gradient)] = gradient


def map_rows(function, rows, shared, *, block, summed):
    if summed and not torch.compiler.is_compiling():
        return _SumRows.apply(function, len(rows), block, *rows, *shared)
    # checkpoint knows no compiled loops (while_loop, cond), and a compiled graph decides itself what to compute again
    run = function if torch.compiler.is_compiling() else partial(checkpoint, function, use_reentrant=False)
    starts = range(0, rows[0].shape[0], block)
    parts = [run(*(x[start : start + block] for x in rows), *shared) for start in starts]
    columns = zip(*parts, strict=True)
    return tuple(torch.stack([p.sum() for p in c]).sum() if summed else torch.cat(c) for c in columns)
