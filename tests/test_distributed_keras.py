"""`model.fit` on several replicas or devices, and `nearfar train --distributed`, end as one device would."""

import json
import sys

import numpy as np
import pytest
from distributed_runs import found, need, run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("devices", ["2", "4"])
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_fit_gives_the_weights_of_one_device(tmp_path_factory, backend, devices):
    need(backend, "keras")
    (results,) = found(tmp_path_factory, "keras_fit.py", 1, backend, devices, ranks=False)
    assert {"supcon", "semihard", "all", "contrastive", "arcface", "supcon weighted"} <= set(results)
    for name, errors in results.items():
        assert errors["moved"] > 0.01, f"{name} learnt nothing"
        assert errors["weights"] < 1e-4, (name, errors)  # float32, after six steps
        assert errors["loss"] < 1e-4, (name, errors)


COMMAND = (
    "train digits --limit 120 --model mlp --model-options width=32,dropout=0 --embedding-dim 8 --classes-per-batch 4 "
    "--samples-per-class 4 --epochs 2 --batches-per-epoch 4 --seed 1 --optimizer sgd --schedule constant "
    "--learning-rate 0.05 --backend"
)
START = """
import sys
from nearfar.cli import main
if {count} and {backend!r} == "tensorflow":
    import tensorflow as tf
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range({count})]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
sys.exit(main(sys.argv[1:]))
"""


def trained(folder, backend, count, *more):
    """Losses of the epochs, and what the command said."""
    folder.mkdir()
    flags = f"--xla_force_host_platform_device_count={count} --xla_cpu_multi_thread_eigen=false"
    start = START.format(count=count, backend=backend)
    command = [sys.executable, "-c", start, *COMMAND.split(), backend, "--out", folder / "run", *more]
    (said,) = run([command], folder, XLA_FLAGS=flags, JAX_CPU_ENABLE_ASYNC_DISPATCH="false")
    rows = np.genfromtxt(folder / "run" / "metrics.csv", delimiter=",", names=True)
    report = json.loads((folder / "run" / "report.json").read_text())
    return rows, report["trained"]["retrieval"], said


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("loss", ["supcon_loss", "triplet_margin_loss"])
def test_train_divides_batches_over_all_devices(tmp_path, backend, loss):
    need(backend, "keras", "sklearn", "jsonargparse", "matplotlib", "pyarrow")
    one, measured, _ = trained(tmp_path / "one", backend, 1, "--loss", loss)
    two, again, said = trained(tmp_path / "two", backend, 2, "--loss", loss, "--distributed")
    assert "Each batch is divided over 2 devices" in said
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=2e-4)
    assert measured["queries"] == again["queries"]
    np.testing.assert_allclose(again["map_at_r"], measured["map_at_r"], atol=0.02)


def test_train_says_that_there_is_one_device(tmp_path):
    need("jax", "keras", "sklearn", "jsonargparse", "matplotlib", "pyarrow")
    _, _, said = trained(tmp_path / "one", "jax", 1, "--distributed")
    assert "There is one device, cpu:0: training as without --distributed." in said


@pytest.mark.parametrize(
    ("backend", "more", "words"),
    [
        ("torch", [], "whose Keras trains on one device"),
        ("jax", ["--samples-per-class", "3"], "a batch of 12 samples cannot be divided over 8 devices"),
    ],
)
def test_train_refuses_what_it_cannot_divide(tmp_path, backend, more, words):
    need(backend, "keras", "sklearn", "jsonargparse", "matplotlib", "pyarrow")
    with pytest.raises(AssertionError, match=words):
        trained(tmp_path / "wrong", backend, 8, "--distributed", *more)
