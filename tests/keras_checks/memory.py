"""nearfar.memory in a Keras model: a memory kept as weights is saved and loaded with them."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from nearfar import losses, memory

LABELS = np.array([0, 0, 1, 1, 2, 2], np.int32)
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


class MemoryLayer(keras.layers.Layer):
    """A cross-batch memory as weights that are not trained."""

    def __init__(self):
        super().__init__()
        for name, start in memory.init(9, 4, like=keras.ops.zeros(1))._asdict().items():
            kind = keras.backend.standardize_dtype(start.dtype)
            self.add_weight(tuple(start.shape), "zeros", kind, trainable=False, name=name)

    def call(self, x):
        return x

    def loss(self, x):
        x, labels = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(LABELS)
        state = memory.Memory(*(keras.ops.convert_to_tensor(weight.value) for weight in self.weights))
        others, pairs = memory.references(state, x, labels)
        value = losses.supcon_loss(x, pairs, references=others)
        for weight, row in zip(self.weights, memory.update(state, x, labels), strict=True):
            weight.assign(row)
        return float(keras.ops.convert_to_numpy(value))


def check_a_memory_is_saved_with_the_weights():
    layer, again = MemoryLayer(), MemoryLayer()
    first = layer.loss(X)
    layer.loss(X[::-1].copy())
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "memory.weights.h5")
        keras.Sequential([keras.Input((4,)), layer]).save_weights(path)
        keras.Sequential([keras.Input((4,)), again]).load_weights(path)
    value = again.loss(X)
    np.testing.assert_allclose(value, layer.loss(X), rtol=1e-6)
    assert abs(value - first) > 1e-3
