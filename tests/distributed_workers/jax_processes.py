"""jax_processes.py RANK PROCESSES ADDRESS OUT: rows sharded over real processes, under jit and in shard_map."""

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0"

import jax
import numpy as np
from common import CUTS, LABELS, batch, cases, cut, error, named, write
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from jax_shards import WAYS, in_shards, loss_of

from nearfar.distributed import gather_in_order


def compare(both, learnt, mesh, inputs, rank, expected):
    """Relative errors of what every process has."""
    rows = NamedSharding(mesh, P("batch"))
    sizes = CUTS[2]["even"]

    def sharded(x):
        return jax.make_array_from_process_local_data(rows, cut(x, sizes, rank))

    value, slopes = jax.jit(both)(learnt, sharded(inputs), sharded(LABELS))
    found = jax.tree.map(lambda x: np.asarray(x.addressable_shards[0].data), (value, slopes))
    errors = {name: error(found[1][name], expected[1][name]) for name in slopes}
    return {"value": error(found[0], expected[0]), **errors}


def evaluation(rank, mesh):
    """Uneven parts in any order, one row on both; sharded arrays; wrong parts, which all refuse."""
    table = np.random.default_rng(2).normal(size=(11, 3)).astype(np.float32)
    names = np.arange(11) * 10**12
    mine = np.array([[9, 2, 0, 4, 6, 8, 10], [1, 3, 5, 7, 9]][rank], dtype=object).astype(int)
    order, x, labels = gather_in_order(mine, table[mine], names[mine], size=11)
    whole = np.arange(8.0, dtype=np.float32).reshape(4, 2)
    sharded = jax.make_array_from_process_local_data(
        NamedSharding(mesh, P("batch")), whole[2 * rank : 2 * rank + 2]
    )
    said = []
    for wrong in (
        lambda: gather_in_order(mine, table[mine][rank:]),
        lambda: gather_in_order(mine, table[mine][:, rank:]),
        lambda: gather_in_order(mine, table[mine], size=12),
    ):
        try:
            wrong()
            said.append("no error")
        except ValueError as error_:
            said.append(str(error_))
    right = (
        np.array_equal(order, np.arange(11)) and np.array_equal(x, table) and np.array_equal(labels, names)
    )
    of_array = gather_in_order([2 * rank, 2 * rank + 1], sharded)[1]
    return {"right": bool(right), "sharded": bool(np.array_equal(of_array, whole)), "said": said}


def main(rank, processes, address, out):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, processes, rank)
    mesh = jax.make_mesh((processes,), ("batch",), axis_types=(AxisType.Auto,))
    results, seen = {}, set()
    for case in cases():
        if case.loss not in WAYS or case.loss in seen:
            continue
        seen.add(case.loss)
        inputs, weights, parameters = batch(case)
        learnt = {"trunk": weights} | parameters
        loss = loss_of(case)
        expected = jax.jit(jax.value_and_grad(loss))(learnt, inputs, LABELS)
        runs = {"jit": jax.value_and_grad(loss), "shard_map": in_shards(loss, mesh, True)["outside"]}
        for run, both in runs.items():
            results[f"{named(case)}: {run}"] = compare(both, learnt, mesh, inputs, rank, expected)
    write(out, {"losses": results, "evaluation": evaluation(rank, mesh)})


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
