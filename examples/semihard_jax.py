"""Semi-hard triplets in a training loop of plain JAX: flax's network, optax's Adam, one compiled step.

python examples/semihard_jax.py
"""

import argparse

import jax
import numpy as np
import optax
from flax import nnx

from nearfar import evaluation, losses
from nearfar.data import load
from nearfar.samplers import ClassBalancedSampler


class Network(nnx.Module):
    """Two convolutions and 64 numbers of length 1."""

    def __init__(self, shape, rngs):
        height, width, channels = shape
        self.first = nnx.Conv(channels, 32, (3, 3), rngs=rngs)
        self.second = nnx.Conv(32, 32, (3, 3), strides=2, rngs=rngs)
        self.last = nnx.Linear(-(-height // 2) * -(-width // 2) * 32, 64, rngs=rngs)

    def __call__(self, images):
        x = nnx.relu(self.second(nnx.relu(self.first(images))))
        x = self.last(x.reshape(len(images), -1))
        return x / (1e-12 + (x * x).sum(axis=1, keepdims=True)) ** 0.5


@nnx.jit
def step(model, optimizer, images, labels):
    def objective(model):
        return losses.triplet_loss(model(images), labels, margin=0.5, mining="semihard")

    loss, gradient = nnx.value_and_grad(objective)(model)
    optimizer.update(model, gradient)
    return loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    data = load("digits")
    train, test = data.train, data.test
    model = Network(train.shape, nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(0.001), wrt=nnx.Param)
    sampler = ClassBalancedSampler(train.labels, classes_per_batch=10, samples_per_class=8)
    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        found = [step(model, optimizer, train.read(rows), train.labels[rows]) for rows in sampler]
        print(f"epoch {epoch + 1}: loss {np.mean(jax.device_get(found)):.3f}")
    result = evaluation.retrieval(model(test.read(slice(None))), test.labels)
    print(f"precision@1 {result.precision_at_1:.3f}, MAP@R {result.map_at_r:.3f}")


if __name__ == "__main__":
    main()
