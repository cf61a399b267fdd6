"""jax_shards.py OUT: every loss on 4 devices of one process, in shard_map and by a jit over sharded rows."""

import os
import re
import sys

if __name__ == "__main__":  # jax_processes has flags of its own
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4 --xla_cpu_multi_thread_eigen=false"
    os.environ["XLA_FLAGS"] += " --xla_backend_optimization_level=0"  # compiling is what takes the time here

import jax
import jax.numpy as jnp
from common import LABELS, WAYS, batch, error, first_cases, named, value_of, write
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from nearfar import losses, pairs
from nearfar.distributed import sharded

jax.config.update("jax_enable_x64", True)
ONLY = os.environ.get("ONLY", "")
SQUARE = re.compile(rf"\[(?:\d+,)*{len(LABELS)},{len(LABELS)}[,\]]")


def loss_of(case, as_pairs=False, **more):
    """The loss as a function of what is learnt, inputs and labels."""

    def loss(learnt, inputs, labels):
        x = jnp.tanh(inputs @ learnt["trunk"])
        if case.normalised:
            x = x / jnp.linalg.norm(x, axis=1, keepdims=True)
        parameters = {name: learnt[name] for name in case.parameters}
        labels = pairs.from_labels(labels) if as_pairs else labels
        return value_of(losses, case, x, labels, parameters, jnp.asarray, **more)

    return loss


def in_shards(loss, mesh, check):
    """The loss inside shard_map, differentiated outside or inside."""

    def inner(learnt, inputs, labels):
        with sharded("batch"):
            return loss(learnt, inputs, labels)

    rows = (P(), P("batch"), P("batch"))
    whole = jax.shard_map(inner, mesh=mesh, in_specs=rows, out_specs=P(), check_vma=check)

    def of_device(learnt, inputs, labels):
        value, slopes = jax.value_and_grad(inner)(learnt, inputs, labels)
        return value, slopes if check else jax.lax.pmean(slopes, "batch")

    inside = jax.shard_map(of_device, mesh=mesh, in_specs=rows, out_specs=(P(), P()), check_vma=check)
    return {"outside": jax.value_and_grad(whole), "inside": inside}


def compare(both, learnt, mesh, inputs, expected):
    """Relative errors, and whether a device holds a table of all rows against all."""
    rows = NamedSharding(mesh, P("batch"))
    given = (learnt, jax.device_put(inputs, rows), jax.device_put(LABELS, rows))
    program = jax.jit(both).lower(*given).compile()
    value, slopes = program(*given)
    errors = {name: error(slopes[name], expected[1][name]) for name in slopes}
    square = bool(SQUARE.search(program.as_text()))
    return {"value": error(value, expected[0]), **errors, "square": square}


def main(out):
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    results, seen = {}, set()
    for case in first_cases(ONLY):
        inputs, weights, parameters = batch(case)
        learnt = {"trunk": weights} | parameters
        loss = loss_of(case)
        expected = jax.jit(jax.value_and_grad(loss))(learnt, inputs, LABELS)
        runs = {"shard_map": in_shards(loss, mesh, True)["outside"]}
        if case.loss not in seen:  # what is slow, once a loss
            runs["jit"] = jax.value_and_grad(loss)
        if case.loss not in seen and case.loss in WAYS:
            runs["gradient inside"] = in_shards(loss, mesh, True)["inside"]
            unchecked = in_shards(loss, mesh, False)
            runs |= {f"unchecked, gradient {where}": f for where, f in unchecked.items()}
            if case.blocks:
                runs["blocks"] = in_shards(loss_of(case, block=4), mesh, True)["outside"]
            if case.blocks and not case.parameters:
                runs["pairs"] = in_shards(loss_of(case, as_pairs=True), mesh, True)["outside"]
        seen.add(case.loss)
        for run, both in runs.items():
            try:
                results[f"{named(case)}: {run}"] = compare(both, learnt, mesh, inputs, expected)
            except Exception as wrong:
                results[f"{named(case)}: {run}"] = {"error": f"{type(wrong).__name__}: {wrong}"}
    write(out, results)


if __name__ == "__main__":
    main(sys.argv[1])
