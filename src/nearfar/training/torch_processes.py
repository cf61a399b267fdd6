"""`nearfar train --backend torch --distributed`: Keras' own loop in each process that torchrun started.

    torchrun --nproc-per-node 2 --no-python nearfar train glyphs --backend torch --distributed

Every process has a part of each batch, the loss and batch normalisation see the whole, and the mean of the processes'
gradients goes into the optimizer, so that all of them keep the weights of one process with the whole batch.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from ..backends import backend_of
from ..distributed import sharded
from ..distributed._context import current
from .devices import Devices, normalisations
from .errors import ConfigError, TrainingError

__all__ = ["Processes", "joined", "several"]

_PATIENCE = timedelta(hours=12)  # while process 0 measures; one that dies ends the others at once


def several() -> bool:
    """Whether torchrun, or the program that calls, has started more than this process."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size() > 1
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", 1)) > 1


class Processes(Devices):
    """The processes of torch's default group."""

    def __init__(self):
        self.rank, self.processes = dist.get_rank(), dist.get_world_size()

    def learner(self, *args: Any, **options: Any) -> Any:
        """A learner of the mean of the processes' gradients."""
        from .torch_learner import AveragingLearner

        return AveragingLearner(*args, **options)

    @contextmanager
    def whole_batch_statistics(self, network: Any) -> Iterator[None]:
        """Of Keras' layers; a torch module's own see the rows of their process."""
        layers = normalisations(network)
        for layer in layers:
            layer.call = _normalisation(layer, layer.call)
        try:
            yield
        finally:
            for layer in layers:
                del layer.call

    def of_first(self, value: Any) -> Any:
        """What process 0 has, on all of them."""
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def start_alike(self, model: Any) -> None:
        """Gives all processes the numbers that process 0 has in a model, and in its optimizer if it has one.

        But for the buffers of torch modules, such as statistics of their own normalisation.
        """
        variables = list(model.variables)
        if getattr(model, "optimizer", None) is not None:
            model.optimizer.build(model.trainable_variables)
            variables += model.optimizer.variables
        with torch.no_grad():
            for variable in variables:
                dist.broadcast(variable.value, src=0)


@contextmanager
def joined(say: Callable[[str], None]) -> Iterator[Processes]:
    """The group of all processes that torchrun started, until the context ends; or the group that there is.

    Args:
        say: prints a line.

    Raises:
        ConfigError: more processes than GPUs.
        TrainingError: another process has ended.
    """
    import keras

    own = not dist.is_initialized()
    gpus = torch.cuda.device_count()
    number = int(os.environ.get("LOCAL_RANK", torch.cuda.current_device() if gpus else 0))
    if gpus and int(os.environ.get("LOCAL_WORLD_SIZE", 1)) > gpus:
        raise ConfigError(
            f"torchrun started {os.environ['LOCAL_WORLD_SIZE']} processes on a machine of {gpus} GPUs; expected at "
            f"most one for each: torchrun --nproc-per-node {gpus}."
        )
    if gpus:
        torch.cuda.set_device(number)
    if own:
        # small numbers travel over gloo, so that no GPU is waited for
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=_PATIENCE)
    try:
        with keras.device(f"gpu:{number}" if gpus else "cpu"):
            processes = Processes()
            devices: list[Any] = [None] * processes.processes
            dist.all_gather_object(devices, f"gpu:{number}" if gpus else "cpu")
            if processes.rank == 0:
                say(f"Each batch is divided over {len(devices)} processes: {', '.join(devices)}")
            yield processes
            dist.barrier()  # nobody leaves while another still listens
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo/transport" in str(error):
            raise TrainingError("another process has ended; its own error says why.") from error
        raise
    if own:
        dist.destroy_process_group()


def _normalisation(layer: Any, alone: Callable[..., Any]) -> Callable[..., Any]:
    """The `call` of Keras' BatchNormalization, its mean and variance those of all processes' rows."""
    import keras

    ops: Any = keras.ops

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not (training and layer.trainable) or mask is not None or getattr(layer, "renorm", False):
            return alone(inputs, training=training, mask=mask)
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        axes = [axis for axis in range(x.ndim) if axis != layer.axis % x.ndim]
        with sharded(even=True):
            group = current(backend_of(x))
            assert group is not None
            both = group.sum(torch.stack([x.mean(axes), x.square().mean(axes)])) / dist.get_world_size()
        mean, variance = both[0], both[1] - both[0].square()
        for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + now.detach() * (1.0 - layer.momentum))
        gamma, beta = (None if one is None else ops.cast(one, x.dtype) for one in (layer.gamma, layer.beta))
        normal = ops.batch_normalization(x, mean, variance, layer.axis, beta, gamma, layer.epsilon)
        return ops.cast(normal, layer.compute_dtype)

    return call
