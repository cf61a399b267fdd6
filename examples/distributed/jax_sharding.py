"""Metric learning over several JAX devices: batches are sharded by rows, the loss is written for the whole.

    python examples/distributed/jax_sharding.py                       # all devices of this machine
    XLA_FLAGS=--xla_force_host_platform_device_count=4 JAX_PLATFORMS=cpu python ...   # four for a try
    python examples/distributed/jax_sharding.py --coordinator HOST:1234 --processes 2 --process 0
    python examples/distributed/jax_sharding.py --coordinator HOST:1234 --processes 2 --process 1

On Cloud TPU and under Slurm `--coordinator auto` is enough.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from nearfar import losses
from nearfar.distributed import gather_in_order
from nearfar.evaluation import retrieval
from nearfar.samplers import ClassBalancedSampler


def data(classes=32, samples=40, seed=0):
    """Noisy points around a centre of each class, seen through a random map."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), samples)
    points = generator.normal(size=(classes, 8))[labels] + 0.6 * generator.normal(size=(len(labels), 8))
    return np.tanh(points @ generator.normal(size=(8, 64))).astype(np.float32), labels


def embeddings_of(weights, x):
    return jnp.maximum(x @ weights["first"], 0) @ weights["second"]


def loss_of(weights, x, labels):
    """The loss of the whole batch; nothing here knows of devices."""
    return losses.proxy_anchor_loss(embeddings_of(weights, x), labels, proxies=weights["proxies"])


@jax.jit
def step(weights, moments, x, labels):
    value, slopes = jax.value_and_grad(loss_of)(weights, x, labels)
    moments = jax.tree.map(lambda m, g: 0.9 * m + g, moments, slopes)
    return jax.tree.map(lambda w, m: w - 0.01 * m, weights, moments), moments, value


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--coordinator")
    options.add_argument("--processes", type=int)
    options.add_argument("--process", type=int)
    given = options.parse_args()
    if given.coordinator == "auto":
        jax.distributed.initialize()
    elif given.coordinator:
        jax.distributed.initialize(given.coordinator, given.processes, given.process)
    rank, world = jax.process_index(), jax.process_count()

    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
    by_rows, everywhere = NamedSharding(mesh, P("batch")), NamedSharding(mesh, P())

    def sharded(rows_of_process):  # each process gives its rows, none has all of them
        return jax.make_array_from_process_local_data(by_rows, rows_of_process)

    generator = np.random.default_rng(1)
    shapes = {"first": (64, 128), "second": (128, 16), "proxies": (32, 16)}
    start = {name: generator.normal(size=s) / np.sqrt(s[0]) for name, s in shapes.items()}
    weights = jax.device_put({name: w.astype(np.float32) for name, w in start.items()}, everywhere)
    moments = jax.tree.map(jnp.zeros_like, weights)

    inputs, labels = data()
    sampler = ClassBalancedSampler(labels, 16 // world, 4, rank=rank, world_size=world)
    for epoch in range(given.epochs):
        sampler.set_epoch(epoch)
        for rows in sampler:
            batch = sharded(inputs[rows]), sharded(labels[rows].astype(np.int32))
            weights, moments, value = step(weights, moments, *batch)
        if rank == 0:
            print(f"epoch {epoch + 1} loss {float(value):.6f}", flush=True)

    mine = np.arange(len(inputs))[rank::world]
    part = embeddings_of(jax.tree.map(np.asarray, weights), inputs[mine])
    found = retrieval(gather_in_order(mine, np.asarray(part), size=len(inputs))[1], labels)
    if rank == 0:
        print(f"precision@1 {found.precision_at_1:.4f} of {len(labels)} samples", flush=True)


if __name__ == "__main__":
    main()
