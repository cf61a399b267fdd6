"""All devices of the machine for one run: each batch is divided over them, the loss sees the whole."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from .catalogue import ConfigError

__all__ = ["Scope", "all_devices", "check_batch", "num_devices", "share_of_replica", "whole_batch_statistics"]

#: makes the context in which the model is built
Scope = Callable[[], AbstractContextManager[Any]]


@contextmanager
def all_devices(distributed: bool, backend: str, say: Callable[[str], None]) -> Iterator[Scope]:
    """Keras on all devices that the framework has, until the context ends.

    JAX divides by `keras.distribution.DataParallel`, TensorFlow by a `MirroredStrategy`.

    Args:
        distributed: False does nothing.
        backend: the framework that Keras runs on.
        say: prints a line.

    Raises:
        ConfigError: torch, of which Keras' own training uses one device.
    """
    if not distributed:
        yield nullcontext
        return
    if backend == "torch":
        raise ConfigError(
            "--distributed came with the torch backend, whose Keras trains on one device; choose --backend "
            "jax or tensorflow, or write the loop under torchrun as examples/distributed/torch_ddp.py does."
        )
    devices = _devices(backend)
    if len(devices) == 1:
        say(f"There is one device, {devices[0]}: training as without --distributed.")
        yield nullcontext
        return
    say(f"Each batch is divided over {len(devices)} devices: {', '.join(devices)}")
    if backend == "tensorflow":
        import tensorflow as tf

        yield tf.distribute.MirroredStrategy(devices).scope
        return
    import keras

    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        yield nullcontext
    finally:
        keras.distribution.set_distribution(before)


def _devices(backend: str) -> list[str]:
    """Names, such as gpu:0; the accelerators, or the processors where there is none."""
    if backend == "jax":
        import keras

        return [str(name) for name in keras.distribution.list_devices()]
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


def check_batch(size: int) -> None:
    """Refuses a batch that JAX cannot divide.

    Raises:
        ConfigError: the devices do not divide it.
    """
    if size % num_devices():
        raise ConfigError(
            f"a batch of {size} samples cannot be divided over {num_devices()} devices; choose "
            "--classes-per-batch and --samples-per-class (or --batch-size) so that it can."
        )


@contextmanager
def whole_batch_statistics(network: Any) -> Iterator[None]:
    """Batch normalisation over the whole batch inside, as JAX has it anyway; on TensorFlow it must be told."""
    import keras

    layers = [x for x in network._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    before = [layer.synchronized for layer in layers]
    for layer in layers:
        layer.synchronized = True
    try:
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            layer.synchronized = own  # else the saved model would ask other frameworks for what they lack


def share_of_replica(value: Any) -> Any:
    """What a TensorFlow replica adds, since Keras sums over them, of a value that all have; else the value."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    return value / tf.distribute.get_strategy().num_replicas_in_sync
