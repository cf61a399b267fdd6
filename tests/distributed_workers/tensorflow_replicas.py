"""tensorflow_replicas.py OUT REPLICAS: cases on the replicas of a MirroredStrategy, against one replica.

On 4 every loss eagerly, on 2 each in a graph: a process cannot have groups of both sizes.
"""

import os
import sys

import tensorflow as tf
from common import CUTS, LABELS, batch, cut, error, first_cases, named, value_of, write

from nearfar import losses, pairs
from nearfar.distributed import sharded

ONLY = os.environ.get("ONLY", "")


def step_of(case, learnt, as_pairs=False, **more):
    """Value and gradients of one batch."""

    def step(inputs, labels):
        with tf.GradientTape() as tape:
            x = tf.tanh(inputs @ learnt["trunk"])
            if case.normalised:
                x = tf.math.l2_normalize(x, axis=1)
            parameters = {name: tf.convert_to_tensor(learnt[name]) for name in case.parameters}
            with sharded():
                labels = pairs.from_labels(labels) if as_pairs else labels
                value = value_of(losses, case, x, labels, parameters, tf.constant, **more)
        return value, tape.gradient(value, learnt, unconnected_gradients="zero")

    return step


def compare(strategy, case, sizes, compiled=False, **more):
    """Relative errors of the value on the worst replica, and of the replicas' mean gradient."""
    inputs, weights, parameters = batch(case)
    with strategy.scope():
        learnt = {k: tf.Variable(v) for k, v in {"trunk": weights, **parameters}.items()}
    value, slopes = step_of(case, learnt, **more)(tf.constant(inputs), tf.constant(LABELS))

    def part(x):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(cut(x, sizes, context.replica_id_in_sync_group))
        )

    def run(inputs, labels):
        return strategy.run(step_of(case, learnt, **more), args=(inputs, labels))

    values, many = (tf.function(run) if compiled else run)(part(inputs), part(LABELS))
    worst = max(error(v, value) for v in strategy.experimental_local_results(values))
    mean = {k: strategy.reduce("MEAN", slope, axis=None) for k, slope in many.items()}
    return {"value": worst} | {k: error(mean[k], slopes[k]) for k in learnt}


def failures(strategy):
    """What is said when the second replica brings something wrong; after the last nothing goes on."""

    def attempt(rows_of):
        def step(x, labels):
            with sharded():
                return losses.supcon_loss(x, labels)

        values = [
            strategy.experimental_distribute_values_from_function(
                lambda context, i=i: rows_of(context.replica_id_in_sync_group)[i]
            )
            for i in (0, 1)
        ]
        try:
            strategy.run(step, args=tuple(values))
        except (ValueError, tf.errors.OpError) as wrong:
            return type(wrong).__name__
        return "no error"

    return {
        "labels": attempt(lambda replica: (tf.ones((4, 3)), tf.range(4 - replica))),
        "width": attempt(lambda replica: (tf.ones((4, 3 + replica)), tf.range(4))),
    }


def main(out, replicas):
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])
    results, seen = {}, set()
    for case in first_cases(ONLY):
        first = case.loss not in seen
        seen.add(case.loss)
        if replicas == 2:
            runs = {"tf.function": {"compiled": True}} if first else {}
        else:
            runs = {"uneven": {}}
            runs |= {"blocks": {"block": 4}} if case.blocks and first else {}
            if case.loss in ("supcon_loss", "triplet_loss") and first:
                runs["pairs"] = {"as_pairs": True}
        for run, more in runs.items():
            try:
                results[f"{named(case)}: {run}"] = compare(strategy, case, CUTS[replicas]["uneven"], **more)
            except Exception as wrong:
                results[f"{named(case)}: {run}"] = {"error": f"{type(wrong).__name__}: {wrong}"}
    if replicas == 2:
        results["failures"] = failures(strategy)
    write(out, results)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
