"""The examples of several processes learn the same in two as in one."""

import re
import sys
from pathlib import Path

import pytest
from distributed_runs import free_port, need, run

EXAMPLES = Path(__file__).parents[1] / "examples" / "distributed"

pytestmark = pytest.mark.slow


def told(text):
    """Losses of the epochs, and the precision@1."""
    losses = [float(x) for x in re.findall(r"loss ([\d.]+\d)", text)]
    return losses, float(re.search(r"precision@1 ([\d.]+\d) of 1280 samples", text).group(1))


def check(one, several):
    """The last losses agree as far as float32 goes after so many steps, and something was learnt."""
    (losses, precision), (again, precision_again) = told(one), told(several)
    assert len(losses) == len(again) == 3 and losses[2] < losses[0]
    assert again == pytest.approx(losses, rel=1e-3)
    assert precision_again == pytest.approx(precision, abs=0.02) and precision > 0.3


def test_torchrun(tmp_path):
    need("torch")
    script = [EXAMPLES / "torch_ddp.py", "--epochs", "3"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    many = [*torchrun, "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", *script]
    check(run([[sys.executable, *script]], tmp_path)[0], run([many], tmp_path)[0])


def test_jax_processes(tmp_path):
    need("jax")
    script = [sys.executable, EXAMPLES / "jax_sharding.py", "--epochs", "3"]
    address = f"127.0.0.1:{free_port()}"
    two = [[*script, "--coordinator", address, "--processes", 2, "--process", i] for i in (0, 1)]
    one = run([script], tmp_path)[0]
    check(one, run(two, tmp_path, JAX_CPU_COLLECTIVES_IMPLEMENTATION="gloo")[0])
    flags = "--xla_force_host_platform_device_count=2"
    check(one, run([script], tmp_path, XLA_FLAGS=flags, JAX_CPU_ENABLE_ASYNC_DISPATCH="false")[0])


def test_tensorflow_replicas(tmp_path):
    need("tensorflow", "keras")
    script = [sys.executable, EXAMPLES / "keras_tensorflow.py", "--epochs", "3"]
    texts = [
        run([[*script, "--processors", count]], tmp_path, KERAS_BACKEND="tensorflow")[0] for count in (1, 2)
    ]
    assert "2 replicas" in texts[1]
    check(*texts)
