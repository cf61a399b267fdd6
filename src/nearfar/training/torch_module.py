"""A `torch.nn.Module` as the network of a run, on the torch backend."""

from typing import Any

import keras

from .errors import ConfigError

__all__ = ["wrapped"]


def wrapped(module: Any, name: str, input_shape: tuple[int, ...]) -> keras.Model:
    """A Keras model around a torch module.

    Args:
        module: of `(n, channels, height, width)` images, or `(n, features)` rows, to `(n, d)`.
        name: where it came from, for the sentence of an error.
        input_shape: `(height, width, channels)` or `(features,)`.

    Raises:
        ConfigError: it is no module, the backend is another one, or it cannot take such inputs.
    """
    try:
        import torch
    except ImportError:
        torch = None
    if torch is None or not isinstance(module, torch.nn.Module):
        raise ConfigError(
            f"model {name!r} returned {type(module).__name__}; expected a keras.Model or a torch.nn.Module."
        )
    if keras.backend.backend() != "torch":
        raise ConfigError(
            f"model {name!r} returned a torch.nn.Module but the backend is {keras.backend.backend()}; "
            f"use --backend torch."
        )
    images = len(input_shape) == 3
    shape = (input_shape[2], *input_shape[:2]) if images else input_shape
    try:
        with torch.no_grad():
            outputs = module.cpu().eval()(torch.zeros(2, *shape))
    except RuntimeError as error:
        raise ConfigError(
            f"model {name!r} cannot take inputs of shape {(2, *shape)}: {str(error).splitlines()[0]}"
        ) from error
    inputs = x = keras.Input(input_shape)
    if images:
        x = keras.layers.Permute((3, 1, 2))(x)
    layer = _Module(module, output_shape=(None, *outputs.shape[1:]), name="module")
    return keras.Model(inputs, layer(x), name="torch_module")


class _Module(keras.layers.TorchModuleWrapper):
    """Saves weights, not the pickled module: a run is re-opened by calling the function again."""

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "output_shape": self.output_shape}
