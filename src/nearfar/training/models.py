"""The networks: `cnn`, `resnet`, `mlp`, or one's own."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from .catalogue import imported
from .errors import ConfigError

__all__ = ["build_model", "cnn", "mlp", "resnet"]

ops: Any = keras.ops  # its own hints say that anything may be None
_CONVOLUTION: dict[str, Any] = {
    "padding": "same",
    "data_format": "channels_last",
    "kernel_initializer": "zeros",  # see _started
}


def cnn(
    input_shape: tuple[int, ...],
    *,
    embedding_dim: int = 256,
    filters: tuple[int, ...] = (64, 32),
    kernel_size: int = 2,
    dropout: float = 0.3,
    normalize: bool = True,
) -> keras.Model:
    """The network of the TensorFlow Addons tutorial on triplet losses: two small convolutions and one dense
    layer.

    Args:
        input_shape: `(height, width, channels)`.
        embedding_dim: numbers in an embedding.
        filters: of each convolution.
        kernel_size: of each convolution, in pixels.
        dropout: share of activations dropped after each pooling.
        normalize: scale each embedding to length 1.

    Returns:
        A model of `(n, height, width, channels)` to `(n, embedding_dim)`.
    """
    inputs = x = keras.Input(input_shape)
    for number in filters:
        x = layers.Conv2D(number, kernel_size, activation="relu", **_CONVOLUTION)(x)
        x = layers.MaxPooling2D(2, data_format="channels_last")(x)
        x = layers.Dropout(dropout)(x)
    return _started(inputs, _embedding(layers.Flatten()(x), embedding_dim, normalize), "cnn")


def resnet(
    input_shape: tuple[int, ...], *, embedding_dim: int = 128, width: int = 16, normalize: bool = True
) -> keras.Model:
    """A small residual network: per stage a convolution and a residual one, then half the resolution, twice
    the width.

    Stages go on until no side is above 4 pixels. Means, not maxima, halve the resolution: on a CPU the
    gradient of max-pooling took 19 of 67 ms a step in XLA, and the embedding was no better for it.

    Args:
        input_shape: `(height, width, channels)`.
        embedding_dim: numbers in an embedding.
        width: channels of the first stage.
        normalize: scale each embedding to length 1; losses that read quality off the length need it off.

    Returns:
        A model of `(n, height, width, channels)` to `(n, embedding_dim)`.
    """
    inputs = keras.Input(input_shape)
    x: Any = inputs
    stage = 0
    while stage < 2 or max(x.shape[1], x.shape[2]) > 4:
        x = _convolution(x, width * 2**stage)
        x = layers.Add()([x, _convolution(x, width * 2**stage)])
        if min(x.shape[1], x.shape[2]) > 1:
            x = layers.AveragePooling2D(2, data_format="channels_last")(x)
        stage += 1
    return _started(inputs, _embedding(layers.Flatten()(x), embedding_dim, normalize), "resnet")


def mlp(
    input_shape: tuple[int, ...],
    *,
    embedding_dim: int = 128,
    width: int = 256,
    depth: int = 2,
    dropout: float = 0.1,
    normalize: bool = True,
) -> keras.Model:
    """Dense layers with batch normalisation, for tables of features.

    Args:
        input_shape: `(features,)`; images are flattened.
        embedding_dim: numbers in an embedding.
        width: of each hidden layer.
        depth: how many hidden layers.
        dropout: share of activations dropped after each.
        normalize: scale each embedding to length 1.

    Returns:
        A model of `(n, *input_shape)` to `(n, embedding_dim)`.
    """
    inputs = x = keras.Input(input_shape)
    if len(input_shape) > 1:
        x = layers.Flatten()(x)
    for _ in range(depth):
        x = layers.Dense(width, use_bias=False, kernel_initializer="zeros")(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Dropout(dropout)(x)
    return _started(inputs, _embedding(x, embedding_dim, normalize), "mlp")


_MODELS: dict[str, Callable[..., keras.Model]] = {"cnn": cnn, "resnet": resnet, "mlp": mlp}


def build_model(
    name: str, input_shape: tuple[int, ...], options: Mapping[str, Any], embedding_dim: int | None = None
) -> keras.Model:
    """The network of a run.

    Args:
        name: `"cnn"`, `"resnet"`, `"mlp"`, or `"package.module:function"`: a function that returns a Keras
            model, or on the torch backend a `torch.nn.Module` (which takes images as `(n, channels, height,
            width)`). It is called with those of `input_shape`, `embedding_dim` and `options` that it has
            parameters for.
        input_shape: of one input.
        options: keyword arguments of the function.
        embedding_dim: numbers in an embedding; None leaves the model's own default.

    Returns:
        A built model of `(n, *input_shape)` to `(n, d)` float32.

    Raises:
        ConfigError: options that it does not take, inputs that it cannot take, or outputs that are no
            embeddings.
    """
    function = _MODELS[name] if name in _MODELS else imported("model", name)
    offered: dict[str, Any] = {"input_shape": input_shape}
    if embedding_dim is not None:
        offered["embedding_dim"] = embedding_dim
    try:
        accepted: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    except ValueError:  # some builtins have none
        accepted = {}
    anything = any(one.kind is one.VAR_KEYWORD for one in accepted.values())
    for option in options:
        if not anything and option not in accepted:
            own = [one for one in accepted if one not in ("input_shape", "embedding_dim")]
            raise ConfigError(
                f"model option {option!r} is not one of {name}'s; expected {', '.join(own) or 'none'}."
            )
    if name in ("cnn", "resnet") and len(input_shape) != 3:
        raise ConfigError(
            f"model {name!r} takes images, but the data has {input_shape[0]} features a row; use mlp."
        )
    try:
        model = function(**{key: value for key, value in offered.items() if key in accepted}, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"model {name!r} cannot be made for inputs of shape {input_shape}: {_line(error)}"
        ) from error
    if not isinstance(model, keras.layers.Layer):
        from .torch_module import wrapped

        model = wrapped(model, name, input_shape)
    if not isinstance(model, keras.Model) or not model.built:
        inputs = keras.Input(input_shape)
        model = keras.Model(inputs, model(inputs), name="model")
    shape = getattr(model, "output_shape", None) or model.compute_output_shape((None, *input_shape))
    if not isinstance(shape, tuple) or len(shape) != 2:
        raise ConfigError(
            f"model {name!r} gives outputs of shape {shape}; expected (n, d), one embedding a row."
        )
    return model


def _convolution(x: Any, filters: int) -> Any:
    x = layers.Conv2D(filters, 3, use_bias=False, **_CONVOLUTION)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))  # 0.9: runs of a few hundred batches


def _embedding(x: Any, dim: int, normalize: bool) -> Any:
    # float32 also under mixed precision: distances of near rows need the digits
    x = layers.Dense(dim, kernel_initializer="zeros", dtype="float32", name="embedding")(x)
    if not normalize:
        return x
    # Not UnitNormalization: a row of zeros, such as a black image gives, has NaN for a gradient there on torch and
    # JAX. Operations, not a layer of ours, so that Keras alone can load the model.
    squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.where(squares > 1e-12, squares, 1.0))


def _started(inputs: Any, outputs: Any, name: str) -> keras.Model:
    # Drawn by NumPy from Glorot's uniform distribution: a seed gives one start on all backends, and JAX need not
    # compile a draw for each shape, which took 0.65 s of a CPU apiece. Until here the kernels are zeros.
    model = keras.Model(inputs, outputs, name=name)
    for layer in model.layers:
        if hasattr(layer, "kernel_initializer"):
            shape = tuple(layer.kernel.shape)
            receptive = int(np.prod(shape[:-2]))
            limit = (6 / (receptive * (shape[-2] + shape[-1]))) ** 0.5
            layer.kernel.assign(np.random.uniform(-limit, limit, shape).astype(np.float32))
            layer.kernel_initializer = keras.initializers.GlorotUniform()
    return model


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
