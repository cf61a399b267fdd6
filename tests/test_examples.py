"""Every example runs, on small data, and says what it should."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import keras_checks
import pytest

from nearfar.data import load

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.slow


def run(name, *arguments, **settings):
    """What an example prints."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        env={**os.environ, **quiet, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def number(text, name):
    """The number printed after a name."""
    return float(re.search(rf"{re.escape(name)} ([\d.]+\d)", text).group(1))


def need(*modules):
    for module in modules:
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is not installed")


def test_contrastive_pairs():
    need("torch", "sklearn")
    out = run("contrastive_pairs.py", "--epochs", "8")
    assert number(out, "classification accuracy") > 0.8
    assert number(out, "precision@1 of the hidden layer") > 0.85


def test_contrastive_keras():
    # on one backend, to save time; tests/keras_checks has this loss on all three
    need("jax", "keras", "sklearn")
    out = run("contrastive_keras.py", KERAS_BACKEND="jax")
    assert number(out, "classification accuracy") > 0.8
    assert number(out, "precision@1 of the hidden layer") > 0.85


def test_explicit_triplets():
    out = run("explicit_triplets.py")
    assert len(set(re.findall(r"\d\.\d{4}", out))) == 1  # one value in every framework


def test_torch_triplet_losses():
    need("torch")
    out = run("torch_triplet_losses.py")
    assert "nearfar 1.195113" in out and "nearfar 1.529929" in out and "nearfar 1.000725" in out
    assert sum(map(int, re.findall(r"(\d+) (?:are easy|semi-hard|hard)", out))) == 100


@pytest.mark.parametrize("backend", keras_checks.BACKENDS)
def test_semihard_keras(backend, tmp_path):
    need("sklearn", "matplotlib")
    out = run("semihard_keras.py", "--epochs", "2", "--out", str(tmp_path), KERAS_BACKEND=backend)
    assert number(out, "precision@1") > 0.85
    vectors = [line.split("\t") for line in (tmp_path / "vecs.tsv").read_text().splitlines()]
    assert len(vectors) == len((tmp_path / "meta.tsv").read_text().splitlines()) == len(load("digits").test)
    assert {len(vector) for vector in vectors} == {256}
    assert (tmp_path / "embedding.png").stat().st_size > 10_000


def test_semihard_jax():
    need("jax", "flax", "optax", "sklearn")
    out = run("semihard_jax.py", "--epochs", "3")
    assert number(out, "precision@1") > 0.9
    assert number(out, "MAP@R") > 0.6


@pytest.mark.parametrize("backend", [name for name in keras_checks.BACKENDS if name != "jax"])
def test_sampling(backend):
    need("sklearn")
    out = run("sampling.py", "--rounds", "2", KERAS_BACKEND=backend)
    assert number(out, "ten folds: accuracy") > 0.8
    assert number(out, "AUC") > 0.85


def test_every_example_is_run_here():
    source = Path(__file__).read_text()
    assert all(f'"{path.name}"' in source for path in EXAMPLES.glob("*.py"))
