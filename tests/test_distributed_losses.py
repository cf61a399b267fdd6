"""Every loss over several processes, replicas or devices has the value and the gradients of one with the whole batch.

The processes are real ones; the workers in tests/distributed_workers compare, here it is read what they found.
"""

import functools

import pytest
from distributed_runs import found, need
from distributed_workers import common

CASES = common.cases()
NAMES = sorted({case.loss for case in CASES})
TOLERANCE = 1e-5
EXACT = 1e-9  # in float64

pytestmark = pytest.mark.slow
every_loss = pytest.mark.parametrize("loss", NAMES)

#: compare all rows with all on every process; the others compare their own rows
WHOLE = {"angular_loss", "centroid_triplet_loss", "dynamic_soft_margin_loss", "histogram_loss"}


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """What the workers of an engine found, one entry a process."""
    return functools.partial(found, tmp_path_factory)


def of_loss(results, loss):
    """Run -> errors, of the loss's cases."""
    ids = {common.named(case) for case in CASES if case.loss == loss}
    return {run: errors for run, errors in results.items() if run.rpartition(": ")[0] in ids}


def check(results, loss):
    """All of the loss's errors are small; how they ran."""
    runs = of_loss(results, loss)
    ways = {run.rpartition(": ")[2] for run in runs}
    for run, errors in runs.items():
        assert "error" not in errors, f"{run}: {errors['error']}"
        allowed = TOLERANCE if run.endswith("float32") else EXACT
        assert {"value", "trunk"} <= set(errors)
        wrong = {name: size for name, size in errors.items() if name != "square" and not size <= allowed}
        assert not wrong, f"{run}: {wrong}"
    return ways


@every_loss
def test_torch_two_processes(ran, loss):
    need("torch")
    for results in ran("torch_losses.py", 2):
        assert {"even", "uneven", "empty", "float32"} <= check(results, loss)


@every_loss
def test_torch_four_processes(ran, loss):
    need("torch")
    for results in ran("torch_losses.py", 4):
        assert {"uneven", "empty"} <= check(results, loss)


@pytest.mark.parametrize("run", ["blocks", "pairs", "weights", "sum"])
def test_torch_ran_most_losses_so(ran, run):
    need("torch")
    losses = {name.split("_loss")[0] for name in ran("torch_losses.py", 2)[0] if name.endswith(f": {run}")}
    assert len(losses) > 15 and {"supcon", "triplet", "contrastive"} <= losses


@every_loss
def test_tensorflow_four_replicas(ran, loss):
    need("tensorflow")
    assert "uneven" in check(ran("tensorflow_replicas.py", 1, "4", ranks=False)[0], loss)


@every_loss
def test_tensorflow_graph_of_two_replicas(ran, loss):
    need("tensorflow")
    assert "tf.function" in check(ran("tensorflow_replicas.py", 1, "2", ranks=False)[0], loss)


def test_tensorflow_errors_of_one_replica_end_the_step(ran):
    need("tensorflow")
    found = ran("tensorflow_replicas.py", 1, "2", ranks=False)[0]["failures"]
    assert found == {"labels": "ValueError", "width": "InvalidArgumentError"}


@every_loss
def test_jax_four_devices(ran, loss):
    need("jax")
    assert {"shard_map", "jit"} <= check(ran("jax_shards.py", ranks=False)[0], loss)


@every_loss
def test_jax_programs_keep_rows_sharded(ran, loss):
    need("jax")
    runs = of_loss(ran("jax_shards.py", ranks=False)[0], loss)
    for run, errors in runs.items():
        if run.endswith(": jit"):  # the compiler divides the work of all losses but one
            assert errors["square"] == (loss == "angular_loss"), run
        else:
            swapped = loss == "triplet_loss" and "swap=True" in run  # it needs its positives' rows too
            assert errors["square"] == (loss in WHOLE or swapped), run
