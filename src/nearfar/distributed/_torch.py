"""torch.distributed: collectives whose backward passes are their transposes."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch.autograd.function import once_differentiable

from ._context import Sharding

__all__ = ["TorchGroup", "group_of", "way_of"]

# names since torch 2.12 and before; the old ones warn
_all_gather: Callable = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
_reduce_scatter: Callable = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64)
_REFUSED = -1
_HEADER = 9  # rows, then width and type of up to four tensors


def group_of(sharding: Sharding) -> "TorchGroup | None":
    """The processes that share a batch, None for a single process."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size(sharding.group) == 1:
        return None
    return TorchGroup(sharding)


def refuse(sharding: Sharding) -> None:
    """Answers the exchange of sizes, in which the other processes wait, with a refusal."""
    group = group_of(sharding)
    if group is not None and not sharding.even:
        group.exchange([_REFUSED])


class TorchGroup:
    """The processes of a `torch.distributed.ProcessGroup`, by default all."""

    def __init__(self, sharding: Sharding):
        self.sharding, self.process_group = sharding, sharding.group
        self.size, self.rank = dist.get_world_size(self.process_group), dist.get_rank(self.process_group)
        if self.rank < 0:
            raise ValueError(
                "this process is not in the group of sharded(); expected a group that it is part of."
            )

    def gather(self, *tensors: torch.Tensor) -> tuple[list[torch.Tensor], int]:
        """The rows of all processes, halves in float32 and labels in int64, and the number of this one's
        first.

        Raises:
            ValueError: on every process, where the rows differ in width or type, or one process refused its
                batch.
        """
        self.sharding.ended = False
        plain = [_plain(x) for x in tensors]
        sizes = [len(plain[0])] * self.size if self.sharding.even else self._sizes(plain)
        return [_Gather.apply(x, sizes, self) for x in plain], sum(sizes[: self.rank])

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """Sum over the processes."""
        self._meet()
        return _Sum.apply(x, self)

    def alike(self, x: torch.Tensor) -> torch.Tensor:
        """`x`, once every process has come so far."""
        self._meet()
        return x

    def exchange(self, header: list[int]) -> list[list[int]]:
        """Everybody's few numbers."""
        own = torch.tensor(header + [0] * (_HEADER - len(header)), device=way_of(self.process_group))
        everyones = own.new_empty(self.size * _HEADER)
        _all_gather(everyones, own, group=self.process_group)
        return everyones.reshape(self.size, _HEADER).tolist()

    def _sizes(self, tensors: list[torch.Tensor]) -> list[int]:
        """Rows of each process, once all have said how many rows of which width and type they bring."""
        kinds = [(math.prod(x.shape[1:]), _DTYPES.index(x.dtype)) for x in tensors]
        headers = self.exchange([len(tensors[0]), *itertools.chain(*kinds)])
        self._check(headers)
        kinds = [header[1:] for header in headers]
        if any(kind != kinds[0] for kind in kinds):
            self.sharding.ended = True
            raise ValueError(
                f"the processes bring {'; '.join(map(_words, kinds))}; expected rows of one width and type on "
                "every process."
            )
        return [header[0] for header in headers]

    def _meet(self) -> None:
        if not self.sharding.even:
            self._check(self.exchange([0]))
            self.sharding.ended = True

    def _check(self, headers: list[list[int]]) -> None:
        refused = [rank for rank, header in enumerate(headers) if header[0] == _REFUSED]
        if refused:
            self.sharding.ended = True
            raise ValueError(
                f"process {refused[0]} refused its batch; its own error says what to change there."
            )


def way_of(group: Any) -> str:
    """Where small numbers travel: on the CPU if the group has a way for it: no device is waited for."""
    if not (dist.is_available() and dist.is_initialized()):
        return "cpu"
    ways = dict(way.split(":") for way in dist.get_backend_config(group).split(","))
    return "cpu" if "cpu" in ways else next(iter(ways))


def _words(kinds: list[int]) -> str:
    """Width and type of each tensor, after those of a header."""
    brought = [
        f"{_DTYPES[kinds[i + 1]]} of width {kinds[i]}" for i in range(0, len(kinds), 2) if any(kinds[i:])
    ]
    return " and ".join(brought).replace("torch.", "")


def _plain(x: torch.Tensor) -> torch.Tensor:
    """In one of the few types that every collective library carries."""
    if x.dtype in _DTYPES:
        return x
    return x.float() if x.is_floating_point() else x.long()


class _Gather(torch.autograd.Function):
    """Rows of all processes; backward sums the gradients of all processes and keeps this one's rows."""

    @staticmethod
    def forward(ctx, x, sizes, group):
        ctx.sizes, ctx.group, ctx.dtype = sizes, group, x.dtype
        most = max(sizes)
        everyones = x.new_empty(group.size * most, *x.shape[1:])
        _all_gather(everyones, _padded(x, most), group=group.process_group)
        if min(sizes) < most:
            everyones = torch.cat(
                [part[:n] for part, n in zip(everyones.split(most or 1), sizes, strict=True)]
            )
        return everyones if x.dtype not in (torch.float16, torch.bfloat16) else everyones.float()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        sizes, group = ctx.sizes, ctx.group
        most = max(sizes)
        if min(sizes) < most:
            gradient = torch.cat([_padded(part, most) for part in gradient.split(sizes)])
        own = gradient.new_empty(most, *gradient.shape[1:])
        _reduce_scatter(own, gradient.contiguous(), group=group.process_group)
        return own[: sizes[group.rank]].to(ctx.dtype), None, None


def _padded(x: torch.Tensor, rows: int) -> torch.Tensor:
    if len(x) == rows:
        return x.contiguous()
    return torch.cat([x, x.new_zeros(rows - len(x), *x.shape[1:])])


class _Sum(torch.autograd.Function):
    """Sum over the processes; backward too, since each process may go on with the sum in its own way."""

    @staticmethod
    def forward(ctx, x, group):
        ctx.group = group
        return _summed(x, group)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return _summed(gradient, ctx.group), None


def _summed(x: torch.Tensor, group: TorchGroup) -> torch.Tensor:
    total = x.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total, group=group.process_group)
    return total
