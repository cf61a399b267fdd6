"""The layer that holds what a Keras loss learns."""

import uuid
import weakref
from collections.abc import Sequence
from typing import Any

import keras

__all__ = ["LAYERS", "LearntLayer"]

# A loaded model's layers come before its loss, which finds its layer here by the key both were saved with
LAYERS: weakref.WeakValueDictionary[str, "LearntLayer"] = weakref.WeakValueDictionary()


@keras.saving.register_keras_serializable(package="nearfar")
class LearntLayer(keras.layers.Layer):
    """Holds what a loss learns, such as proxies, as weights of the model; passes its input on as it is.

    Args:
        shapes: name and shape of each weight.
        starts: name and first value of each.
        key: what the loss of a saved model knows its layer by.
        **options: of every Keras layer.
    """

    def __init__(
        self,
        shapes: dict[str, Sequence[int]],
        starts: dict[str, Any] | None = None,
        key: str | None = None,
        **options: Any,
    ):
        super().__init__(**{"autocast": False, **options})
        self.key = key or uuid.uuid4().hex
        LAYERS[self.key] = self
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.supports_masking = True
        for name, shape in self.shapes.items():
            start = (
                "zeros" if starts is None else lambda shape, dtype, x=starts[name]: keras.ops.cast(x, dtype)
            )
            setattr(self, name, self.add_weight(shape=shape, initializer=start, name=name))

    def call(self, inputs: Any) -> Any:
        """The input."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What makes a layer like this; the values are saved with the model's weights."""
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        return {**super().get_config(), "shapes": shapes, "key": self.key}
