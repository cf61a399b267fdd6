"""keras_fit.py OUT BACKEND DEVICES: `model.fit` on several replicas or devices gives the weights of one."""
# ruff: noqa: E402  Keras binds its backend when it is imported

import os
import sys

BACKEND, COUNT = sys.argv[2], int(sys.argv[3])
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["JAX_CPU_ENABLE_ASYNC_DISPATCH"] = "false"  # on few cores two steps at once wait for each other
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={COUNT} --xla_cpu_multi_thread_eigen=false"

import keras
import numpy as np
from common import LABELS, error, write

import nearfar.keras

LABELS = np.tile(LABELS, 3)[:67]  # batches of 24, 24 and 19: what is left over is uneven
INPUTS = np.random.default_rng(0).normal(size=(len(LABELS), 7)).astype("float32")
LOSSES = {
    "supcon": lambda **more: nearfar.keras.SupConLoss(temperature=0.5, **more),
    "semihard": lambda **more: nearfar.keras.TripletLoss(margin=1.0, mining="semihard", **more),
    "all": lambda **more: nearfar.keras.TripletLoss(margin=1.0, mining="all", reduction="sum", **more),
    "contrastive": lambda **more: nearfar.keras.ContrastiveLoss(negative_margin=2.0, **more),
    "arcface": lambda **more: nearfar.keras.ArcFaceLoss(num_classes=6, embedding_size=5, scale=8.0, **more),
}


def model_of(loss):
    """A small network with what the loss learns, always with the same weights at first."""
    layers = [keras.layers.Input((7,)), keras.layers.Dense(9, "tanh"), keras.layers.Dense(5)]
    model = keras.Sequential([*layers, loss.layer] if loss._learnt else layers)
    generator = np.random.default_rng(1)
    model.set_weights([0.5 * generator.normal(size=w.shape) for w in model.get_weights()])
    rate = 0.001 if loss.reduction == "sum" else 0.2
    model.compile(keras.optimizers.SGD(rate, momentum=0.5), loss=loss)
    return model


def trained(name, rows, weigh=False, **more):
    """Weights, losses of the epochs and how far the weights went."""
    model = model_of(LOSSES[name](**more))
    start = np.concatenate([w.reshape(-1) for w in model.get_weights()])
    weights = 1 + INPUTS[:rows, 0] ** 2 if weigh else None
    history = model.fit(
        INPUTS[:rows], LABELS[:rows], sample_weight=weights, batch_size=24, epochs=2, shuffle=False, verbose=0
    )
    end = np.concatenate([w.reshape(-1) for w in model.get_weights()])
    return end, history.history["loss"], float(np.abs(end - start).max())


def compare(expected, found):
    return {"weights": error(found[0], expected[0]), "loss": error(found[1], expected[1]), "moved": found[2]}


def on_tensorflow():
    import tensorflow as tf

    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(COUNT)]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(COUNT)])
    results = {}
    for name in LOSSES:
        for weigh in (False, True) if name in ("supcon", "contrastive") else (False,):
            one = trained(name, len(LABELS), weigh)
            with strategy.scope():
                many = trained(name, len(LABELS), weigh, distributed=True)
            results[name + " weighted" * weigh] = compare(one, many)
    return results


def on_jax():
    results, rows = {}, 64  # devices have equally many
    for name in LOSSES:
        for weigh in (False, True) if name == "supcon" else (False,):
            keras.distribution.set_distribution(None)
            one = trained(name, rows, weigh)
            keras.distribution.set_distribution(keras.distribution.DataParallel())
            many = trained(name, rows, weigh, distributed=name != "all")  # or not: the batch is whole anyway
            results[name + " weighted" * weigh] = compare(one, many)
    return results


if __name__ == "__main__":
    write(sys.argv[1], {"tensorflow": on_tensorflow, "jax": on_jax}[BACKEND]())
