"""Metric learning by `model.fit` on several devices of TensorFlow: the batch is divided, the loss sees all of it.

python examples/distributed/keras_tensorflow.py                   # all GPUs of this machine
python examples/distributed/keras_tensorflow.py --processors 2    # two replicas on the processor, for a try
KERAS_BACKEND=jax python examples/distributed/keras_tensorflow.py # Keras on JAX: the same on all its devices
"""

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np

import nearfar.keras
from nearfar.evaluation import retrieval


def data(classes=32, samples=40, seed=0):
    """Noisy points around a centre of each class, seen through a random map."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), samples)
    points = generator.normal(size=(classes, 8))[labels] + 0.6 * generator.normal(size=(len(labels), 8))
    return np.tanh(points @ generator.normal(size=(8, 64))).astype(np.float32), labels


def on_tensorflow(processors):
    """The strategy of all devices, in whose scope the model is made."""
    import tensorflow as tf

    if processors:
        devices = [tf.config.LogicalDeviceConfiguration() for _ in range(processors)]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    names = [f"CPU:{i}" for i in range(processors)] or None
    strategy = tf.distribute.MirroredStrategy(names)
    print(f"{strategy.num_replicas_in_sync} replicas")
    return strategy.scope()


def learner():
    keras.utils.set_random_seed(0)
    loss = nearfar.keras.ProxyAnchorLoss(num_classes=32, embedding_size=16, distributed=True)
    layers = [keras.layers.Dense(128, "relu"), keras.layers.Dense(16), loss.layer]
    model = keras.Sequential([keras.layers.Input((64,)), *layers])
    model.compile(keras.optimizers.Adam(1e-2), loss=loss)
    return model


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--processors", type=int, default=0)
    given = options.parse_args()
    inputs, labels = data()
    batches = nearfar.keras.BalancedBatches(inputs, labels.astype(np.int32), 16, 4)

    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        model = learner()
    else:
        with on_tensorflow(given.processors):
            model = learner()
    history = model.fit(batches, epochs=given.epochs, verbose=0)
    for epoch, value in enumerate(history.history["loss"]):
        print(f"epoch {epoch + 1} loss {value:.6f}")
    found = retrieval(model.predict(inputs, batch_size=64, verbose=0), labels)
    print(f"precision@1 {found.precision_at_1:.4f} of {len(labels)} samples")


if __name__ == "__main__":
    main()
