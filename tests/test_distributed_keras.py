"""`model.fit` on several replicas or devices, and `nearfar train --distributed`, end as one device would."""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from distributed_runs import found, free_port, need, run

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
    command = [sys.executable, "-c", start]
    if backend == "torch" and count > 1:
        meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}"]
        started = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", count, *meeting]
        command = [*started, "-m", "nearfar.cli"]
    command += [*COMMAND.split(), backend, "--out", folder / "run", *more]
    settings = {
        "XLA_FLAGS": flags,
        "JAX_CPU_ENABLE_ASYNC_DISPATCH": "false",
        "PYTHONPATH": Path(__file__).parent,
    }
    (said,) = run([command], folder, **settings)
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


def weights_of(folder):
    """Every array of a run's model."""
    import h5py

    arrays = {}
    with (
        zipfile.ZipFile(folder / "run" / "model.keras") as model,
        h5py.File(io.BytesIO(model.read("model.weights.h5"))) as file,
    ):
        file.visititems(lambda name, x: arrays.update({name: x[()]}) if isinstance(x, h5py.Dataset) else None)
    return arrays


def test_train_in_two_torch_processes_ends_as_in_one(tmp_path):
    # changed images, batch normalisation and a learnt boundary
    need("torch", "keras", "sklearn", "jsonargparse", "matplotlib", "pyarrow")
    more = ["--loss", "margin_loss", "--loss-options", "learn=[beta]", "--distributed"]
    one, measured, said = trained(tmp_path / "one", "torch", 1, *more)
    assert "There is one device, cpu:0: training as without --distributed." in said
    two, again, said = trained(tmp_path / "two", "torch", 2, *more)
    assert (
        said.count("Each batch is divided over 2 processes: cpu, cpu") == said.count("Run folder:") / 2 == 1
    )
    assert one["loss"][1] < one["loss"][0] * 0.95
    assert sorted(path.name for path in (tmp_path / "two" / "run").iterdir()) == sorted(
        path.name for path in (tmp_path / "one" / "run").iterdir()
    )
    for name in set(one.dtype.names) - {"seconds"}:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, err_msg=name)
    weights, ours = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    assert weights.keys() == ours.keys()
    for name, values in weights.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
    assert again["queries"] == measured["queries"]
    assert again["map_at_r"] == pytest.approx(measured["map_at_r"], rel=1e-3)


def test_an_error_of_one_torch_process_ends_all(tmp_path):
    need("torch", "keras", "sklearn", "jsonargparse", "matplotlib", "pyarrow")
    with pytest.raises(AssertionError, match="a loss of my own is wrong") as said:
        trained(tmp_path / "two", "torch", 2, "--distributed", "--loss", "distributed_workers.wrong:loss")
    assert "hangs" not in str(said.value)


def test_torch_wants_a_process_for_each_gpu(monkeypatch):
    torch = pytest.importorskip("torch")
    from nearfar.training import ConfigError
    from nearfar.training.devices import all_devices

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with (
        pytest.raises(ConfigError, match="torchrun --nproc-per-node 4 --no-python nearfar train DATA"),
        all_devices(True, "torch", print),
    ):
        pass


def test_torchrun_without_distributed_is_refused(monkeypatch):
    pytest.importorskip("torch")
    from nearfar.training import ConfigError
    from nearfar.training.devices import all_devices

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="without --distributed"), all_devices(False, "torch", print):
        pass


def test_train_refuses_what_it_cannot_divide(tmp_path):
    need("jax", "keras", "sklearn", "jsonargparse", "matplotlib", "pyarrow")
    with pytest.raises(AssertionError, match="a batch of 12 samples cannot be divided over 8 devices"):
        trained(tmp_path / "wrong", "jax", 8, "--distributed", "--samples-per-class", "3")
