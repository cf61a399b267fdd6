"""All devices for one run: each batch is divided over them, the loss sees the whole."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from .errors import ConfigError

__all__ = ["Devices", "all_devices", "num_devices"]


class Devices:
    """What one process trains on; by itself the device or devices that Keras has anyway.

    Process 0 measures, prints and writes; the others train on their parts of its batches.
    """

    rank = 0  #: of this process
    processes = 1  #: that have a part of each batch each

    def scope(self) -> AbstractContextManager[Any]:
        """In which the model is built."""
        return nullcontext()

    def check_batch(self, size: int) -> None:
        """Refuses a batch that cannot be divided.

        Raises:
            ConfigError: the devices do not divide it.
        """
        parts, name = max((self.processes, "processes"), (num_devices(), "devices"))
        if size % parts:
            raise ConfigError(
                f"a batch of {size} samples cannot be divided over {parts} {name}; choose "
                "--classes-per-batch and --samples-per-class (or --batch-size) so that it can."
            )

    def part(self, size: int) -> slice:
        """The rows of this process in a batch of `size`."""
        return slice(size // self.processes * self.rank, size // self.processes * (self.rank + 1))

    def learner(self, *args: Any, **options: Any) -> Any:
        """The `MetricLearner` that `fit` trains here, of its arguments."""
        from .learner import MetricLearner

        return MetricLearner(*args, **options)

    def whole_batch_statistics(self, network: Any) -> AbstractContextManager[None]:
        """Batch normalisation over the whole batch inside."""
        return nullcontext()

    def of_first(self, value: Any) -> Any:
        """What process 0 has, on all of them."""
        return value

    def start_alike(self, model: Any) -> None:
        """Gives all processes the numbers that process 0 has in a model, and in its optimizer if it has one."""


class _Replicas(Devices):
    """A TensorFlow strategy's."""

    def __init__(self, strategy: Any):
        self.strategy = strategy

    def scope(self) -> AbstractContextManager[Any]:
        return self.strategy.scope()

    @contextmanager
    def whole_batch_statistics(self, network: Any) -> Iterator[None]:
        layers = normalisations(network)
        before = [layer.synchronized for layer in layers]
        for layer in layers:
            layer.synchronized = True
        try:
            yield
        finally:
            for layer, own in zip(layers, before, strict=True):
                layer.synchronized = own  # else the saved model would ask other frameworks for what they lack


@contextmanager
def all_devices(distributed: bool, backend: str, say: Callable[[str], None]) -> Iterator[Devices]:
    """Keras on all devices that the framework has, until the context ends.

    JAX divides by `keras.distribution.DataParallel`, TensorFlow by a `MirroredStrategy`, both over the devices of
    this machine; torch over the processes that torchrun started, here or on several machines.

    Args:
        distributed: False does nothing.
        backend: the framework that Keras runs on.
        say: prints a line.

    Raises:
        ConfigError: several GPUs without torchrun, more processes than GPUs, or torchrun without `distributed`.
        TrainingError: another of torch's processes has ended.
    """
    if backend == "torch":
        from .torch_processes import joined, several

        if several() and not distributed:
            raise ConfigError(
                "several processes came without --distributed, and each would train the same run; add it, or start "
                "nearfar without torchrun."
            )
        if several():
            with joined(say) as processes:
                yield processes
            return
    if not distributed:
        yield Devices()
        return
    devices = _devices(backend)
    if len(devices) == 1:
        say(f"There is one device, {devices[0]}: training as without --distributed.")
        yield Devices()
        return
    if backend == "torch":
        raise ConfigError(
            f"--distributed found {len(devices)} GPUs, and torch takes a process for each; start them: torchrun "
            f"--nproc-per-node {len(devices)} --no-python nearfar train DATA --backend torch --distributed."
        )
    say(f"Each batch is divided over {len(devices)} devices: {', '.join(devices)}")
    if backend == "tensorflow":
        import tensorflow as tf

        yield _Replicas(tf.distribute.MirroredStrategy(devices))
        return
    import keras

    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        yield Devices()
    finally:
        keras.distribution.set_distribution(before)


def _devices(backend: str) -> list[str]:
    """Names, such as gpu:0; the accelerators, or the processors where there is none."""
    if backend == "jax":
        import keras

        return [str(name) for name in keras.distribution.list_devices()]
    if backend == "torch":
        import torch

        return [f"gpu:{i}" for i in range(torch.cuda.device_count())] or ["cpu:0"]
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name.split("device:")[1].lower() for device in found]


def num_devices() -> int:
    """Over how many devices Keras divides what JAX computes; 1 without a distribution."""
    import keras

    if keras.backend.backend() != "jax":
        return 1
    distribution: Any = keras.distribution.distribution()
    return 1 if distribution is None else int(distribution.device_mesh.devices.size)


def normalisations(network: Any) -> list[Any]:
    """The layers of batch normalisation, also those within others."""
    import keras

    return [x for x in network._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
