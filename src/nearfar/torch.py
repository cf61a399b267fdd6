"""PyTorch modules of the losses, one for each function of `nearfar.losses`: `triplet_loss` is `TripletLoss`.

    loss = nearfar.torch.TripletLoss(margin=0.2, mining="semihard")
    value = loss(embeddings, labels)

The classes are made from the functions' signatures, so that they take the same options. What a loss learns,
such as proxies, is an `nn.Parameter`: give the optimizer `loss.parameters()` too.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import torch

from . import _shells
from .distributed import sharded
from .pairs import Pairs

__all__ = ["TorchLoss", "loss_class"]


class TorchLoss(torch.nn.Module):
    """What all losses of this module have in common; options are attributes, and may change between steps."""

    _loss: _shells.Loss

    def __init__(self, *, distributed: Any = False, **options: Any):
        super().__init__()
        self.distributed = distributed
        values = self._loss.check(options)
        for name in self._loss.settings:
            setattr(self, name, values[name])
        for name, start in self._loss.starts(values, torch.randn).items():
            delattr(self, name)
            setattr(self, name, torch.nn.Parameter(torch.as_tensor(start)))

    def forward(self, *tensors: torch.Tensor | Pairs, **more: torch.Tensor | None) -> torch.Tensor:
        """The loss of its tensors; the class's help names them. Autocast does not reach inside."""
        loss = self._loss
        for name in more:
            if name not in loss.inputs and name not in loss.tensors:
                expected = ", ".join(loss.inputs + loss.tensors)
                raise TypeError(f"{loss.name} was called with {name}=...; expected {expected}.")
        keywords = {name: getattr(self, name) for name in (*loss.options, *loss.shapes)}
        with self._processes(), torch.autocast(_device(tensors or tuple(more.values())), enabled=False):
            return loss.function(*tensors, **more, **keywords)

    def _processes(self) -> AbstractContextManager[None]:
        if self.distributed is False:
            return nullcontext()
        return sharded(None if self.distributed is True else self.distributed)

    def extra_repr(self) -> str:
        """The options, as the constructor takes them."""
        options = _shells.representation(
            self._loss, {name: getattr(self, name) for name in self._loss.settings}
        )
        return options if self.distributed is False else f"{options}, distributed={self.distributed}"


def _device(tensors: tuple[Any, ...]) -> str:
    return next((x.device.type for x in tensors if isinstance(x, torch.Tensor)), "cpu")


def loss_class(function: Callable[..., Any]) -> type[TorchLoss]:
    """The module of a function of one's own that is written like those of `nearfar.losses`.

    Args:
        function: `function(embeddings, labels, *, option=default, ...)`. Keyword tensors without a default
            are learnt; their shape is read off the docstring, as in "proxies: `(classes, d)`".

    Returns:
        A subclass of `TorchLoss`, under the function's name in CamelCase.

    Example:
        >>> from nearfar import losses
        >>> loss_class(losses.triplet_loss)(margin=0.5).margin
        0.5
    """
    loss = _shells.loss_of(function)
    inputs = ", ".join(loss.inputs)
    sample = {"labels": "torch.tensor([0, 0, 1, 1])", "same": "torch.tensor([True, True, False, False])"}
    given = ", ".join(sample.get(name, "torch.randn(4, 8)") for name in loss.inputs)
    example = (
        f">>> import torch\n>>> loss = {loss.name}({_shells.required(loss)})\n"
        f">>> loss({given}).shape\ntorch.Size([])"
    )
    distributed = Parameter("distributed", Parameter.KEYWORD_ONLY, default=False, annotation=Any)
    entry = (
        "distributed: True, or a ProcessGroup, for the loss of the batch that all processes hold together, under\n"
        "    DistributedDataParallel; see `nearfar.distributed.sharded`.\n"
    )
    attributes = {
        "__doc__": _shells.documentation(loss, f"`loss({inputs})`", more=entry, example=example),
        "__module__": __name__,
        "__signature__": _shells.signature(loss, [distributed]),
        "_loss": loss,
    }
    return type(loss.name, (TorchLoss,), attributes)


_CLASSES = {name: loss_class(loss.function) for name, loss in _shells.losses_by_class().items()}
globals().update(_CLASSES)
__all__ += _CLASSES  # pyright: ignore[reportUnsupportedDunderAll]  # the checker is told of them below

if TYPE_CHECKING:

    def __getattr__(name: str) -> type[TorchLoss]: ...
