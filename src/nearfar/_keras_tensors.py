"""What Keras hands a loss, and what it takes back."""

from typing import Any

import keras
import numpy as np

from .pairs import Pairs

__all__ = ["as_labels", "share_of_replica"]


def as_labels(y: Any) -> Any:
    """Labels as they are: integers of their width, a column, or strings."""
    if isinstance(y, Pairs):
        return Pairs(*(keras.ops.convert_to_tensor(mask) for mask in y))
    if isinstance(y, (list, tuple)):
        y = np.asarray(y)
    if not isinstance(y, np.ndarray):
        if _only_shapes() and keras.backend.is_float_dtype(y.dtype):
            # under tf.distribute, fit first asks for shapes with the mean of the replicas' labels
            return keras.ops.cast(y, "int32")
        return keras.ops.convert_to_tensor(y) if isinstance(y, keras.Variable) else y
    if y.dtype.kind in "USO":
        return keras.ops.convert_to_tensor(
            np.unique(y, return_inverse=True)[1].reshape(y.shape).astype("int32")
        )
    # JAX would cut 64 bits; its backend takes NumPy's labels and keeps them
    return y if keras.backend.backend() == "jax" else keras.ops.convert_to_tensor(y)


def _only_shapes() -> bool:
    """Whether Keras runs the code to learn shapes, without data."""
    with keras.SymbolicScope() as scope:
        return scope.original_scope is not None


def share_of_replica(value: Any) -> Any:
    """Keras adds the replicas' losses, so that each has its share of what is of all."""
    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    return value / tf.distribute.get_strategy().num_replicas_in_sync
