"""Which processes share the batch at this moment, and the little that a loss asks of them."""

import inspect
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol

from ..backends import Backend, Tensor, backend_of

__all__ = ["Group", "Sharding", "add_up", "alike", "alone", "current", "everybody", "sharded", "whole_batch"]


class Group(Protocol):
    """Processes, replicas or devices that hold a part of the batch each. Every method is called by all of
    them.

    Both are differentiable by their transposes, so each process has the gradient of the sum of everybody's
    (equal) losses with respect to its own copy of the parameters. The mean over processes, which
    data-parallel training takes, is then the gradient of the loss.
    """

    def gather(self, *tensors: Tensor) -> tuple[list[Tensor], Any]:
        """The rows of all processes in their order, for tensors of equally many rows, and the number of this
        one's first.

        Gradients of the gathered rows are summed over the processes and come back to the one that owns the
        row.
        """
        ...

    def sum(self, x: Tensor) -> Tensor:
        """Sum over the processes of a tensor that has one shape everywhere."""
        ...

    def alike(self, x: Tensor) -> Tensor:
        """A tensor that every process has computed alike from gathered rows."""
        ...


@dataclass(eq=False)
class Sharding:
    """What one `sharded` was asked for."""

    group: Any  #: a torch ProcessGroup, a JAX axis name, or None: all processes of the framework
    even: bool  #: the caller promises equally many rows on every process
    ended: bool = (
        False  #: a loss has exchanged its last; until then the other processes wait for a word of this one
    )


class _OfThread(threading.local):
    sharding: Sharding | None = None


_of_thread = _OfThread()  # tf.distribute runs its replicas in threads that take turns
_open: tuple[
    Sharding, ...
] = ()  # of all threads; torch.compile guards on a plain global, not on a thread's own


@contextmanager
def sharded(group: Any = None, *, even: bool = False) -> Iterator[None]:
    """Losses called inside see the batch of all processes; each computes the rows of its own anchors.

    The value is that of the whole batch, the same on every process. The gradients are such that their mean
    over the processes is the gradient of that value, for the trunk and for proxies, temperatures and other
    parameters alike: `DistributedDataParallel`, Keras' trainer and `jax.lax.pmean` take that mean, so nothing
    is left to scale.

    Without several processes (no process group, one replica, no axis) nothing changes. `references` given to
    a loss are taken as they are, as proxies and memories are that every process holds; a `Pairs` has a column
    for each row of all processes, which the functions of `nearfar.pairs` give when they are called inside
    too.

    Args:
        group: torch: a `ProcessGroup`, by default all processes. JAX: the axis name (or names) inside
            `shard_map` or `pmap`; none is needed for arrays sharded over a mesh under `jit`, where the loss
            sees the whole batch anyway. TensorFlow: left out; the replicas of the `tf.distribute` strategy.
        even: torch only: promises that every process has equally many rows. Saves a small exchange and a wait
            of the host for the device in every step; an unkept promise may hang.

    Example:
        >>> import numpy as np, torch
        >>> from nearfar.losses import triplet_loss
        >>> with sharded():  # started by torchrun, these would be the rows of one process
        ...     loss = triplet_loss(torch.eye(4), torch.tensor([0, 0, 1, 1]), margin=1.0)
        >>> float(loss)
        1.0
    """
    global _open
    sharding = Sharding(group, even)
    before, _of_thread.sharding = _of_thread.sharding, sharding
    _open = (*_open, sharding)
    try:
        yield
    except Exception:
        if not sharding.ended and "torch" in sys.modules:
            from . import _torch

            _torch.refuse(sharding)
        raise
    finally:
        _of_thread.sharding = before
        _open = _without(_open, sharding)


def _without(shardings: tuple[Sharding, ...], one: Sharding) -> tuple[Sharding, ...]:
    position = len(shardings) - 1 - shardings[::-1].index(one)
    return shardings[:position] + shardings[position + 1 :]


@contextmanager
def alone() -> Iterator[None]:
    """Losses called inside see only what they are given, within `sharded` too."""
    before, _of_thread.sharding = _of_thread.sharding, None
    try:
        yield
    finally:
        _of_thread.sharding = before


def current(xp: Backend) -> Group | None:
    """The group that a loss of this framework shares its batch with; None for a batch of its own."""
    if not _open:
        return None
    latest, mine = _open[-1], _of_thread.sharding
    sharding = latest if latest is mine else mine
    if sharding is None:
        return None
    if xp.name == "torch":
        from . import _torch as module
    elif xp.name == "jax":
        from . import _jax as module
    elif xp.name == "tensorflow":
        from . import _tensorflow as module
    else:
        raise TypeError(
            "embeddings is a numpy.ndarray inside sharded(); expected torch, JAX or TensorFlow tensors."
        )
    return module.group_of(sharding)


def everybody(xp: Backend, *tensors: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """The rows of all processes, and each own row's number among them; when alone the tensors as they are."""
    rows = xp.arange(xp.shape(tensors[0])[0], tensors[0])
    group = current(xp)
    if group is None:
        return tensors, rows
    gathered, first = group.gather(*tensors)
    return tuple(gathered), rows + first


def add_up(xp: Backend, sums: Sequence[Tensor]) -> Sequence[Tensor]:
    """Scalars of one process -> their sums over all processes, in one exchange; as they are when alone."""
    group = current(xp)
    if group is None:
        return sums
    total = group.sum(xp.concat([xp.reshape(x, (1,)) for x in sums], axis=0))
    return [total[i] for i in range(len(sums))]


def alike(xp: Backend, x: Tensor) -> Tensor:
    """A value that every process has computed alike, from what `everybody` gave; when alone as it is."""
    group = current(xp)
    return x if group is None else group.alike(x)


def _is_masks(x: Any) -> bool:
    """Whether it is a `Pairs`."""
    return hasattr(x, "_fields")


def _carried(xp: Backend, x: Tensor) -> Tensor:
    """Masks as numbers: not every collective library carries bool."""
    return xp.astype(x, xp.arange(0, x)) if "bool" in str(x.dtype) else x


def whole_batch(*names: str) -> Callable[[Callable], Callable]:
    """Decorates a loss that needs all rows at once: inside `sharded` its arguments `names` are gathered
    first, and `weights` where it has them.

    Every process then computes the whole loss, so the value and the gradients are as exact, but neither time
    nor memory falls with the number of processes. Arguments left out or None are passed over; positional ones
    count by their order.
    """

    def decorate(loss: Callable) -> Callable:
        order = list(inspect.signature(loss).parameters)
        tensors = dict.fromkeys([*names, *(name for name in order if name == "weights")])

        @wraps(loss)
        def gathering(*args: Any, **options: Any) -> Tensor:
            if not _open:
                return loss(*args, **options)
            options = {**dict(zip(order, args, strict=False)), **options}
            found = [name for name in tensors if options.get(name) is not None]
            parts = [options[name] if _is_masks(options[name]) else [options[name]] for name in found]
            xp = backend_of(*itertools.chain(*parts))
            group = current(xp)
            if group is None:
                return loss(**options)
            gathered = iter(group.gather(*[_carried(xp, x) for x in itertools.chain(*parts)])[0])
            for name, part in zip(found, parts, strict=True):
                rows = [xp.astype(next(gathered), x) for x in part] if _is_masks(part) else [next(gathered)]
                options[name] = type(part)(*rows) if _is_masks(part) else rows[0]
            with alone():
                return group.alike(loss(**options))

        return gathering

    return decorate
