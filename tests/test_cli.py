"""The command line: every wrong input is one line and exit code 2; a killed run goes on where it was, on each backend."""

import importlib.util
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from nearfar import cli

BACKENDS = [name for name in ("torch", "jax", "tensorflow") if importlib.util.find_spec(name)]
if not importlib.util.find_spec("keras") or not importlib.util.find_spec("jsonargparse"):
    pytest.skip("nearfar[train] is not installed", allow_module_level=True)


def refused(capsys, *arguments, code=2):
    """The one line that a command line is refused with."""
    assert cli.main([str(argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("nearfar: ") and captured.err.count("\n") == 1, captured.err
    return captured.err


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_images(folder, classes, each=3):
    from PIL import Image

    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            Image.fromarray(np.full((12, 12), 20 * i, np.uint8)).save(folder / name / f"{i}.png")


# --- the dispatcher


def test_help_names_the_commands_without_a_framework():
    code = (
        "import sys, nearfar.cli; nearfar.cli.main(['--help'])\n"
        "assert not {'torch', 'jax', 'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "train " in done.stdout and "Train an embedding" in done.stdout


def test_version_and_unknown_commands(capsys):
    import nearfar

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"nearfar {nearfar.__version__}\n"
    assert "command 'trian' is not known; expected one of" in refused(capsys, "trian")
    assert cli.main([]) == 2


def test_help_of_train_lists_options(capsys):
    assert cli.main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    for option in ("--loss-options", "--mixed-precision", "--skip-unreadable", "--resume", "--overwrite"):
        assert option in text


def test_an_unexpected_error_is_one_line_and_says_how_to_see_more(capsys, monkeypatch):
    from nearfar.commands import train

    def fail(argv):
        raise RuntimeError("the\nroof")

    monkeypatch.setattr(train, "main", fail)
    line = refused(capsys, "train", "digits", code=1)
    assert "RuntimeError: the roof" in line and "NEARFAR_TRACEBACK=1" in line
    monkeypatch.setenv("NEARFAR_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        cli.main(["train", "digits"])


def test_ctrl_c_is_one_line_that_says_how_to_go_on(capsys, monkeypatch, place):
    from nearfar.training.backend import select_backend

    select_backend()
    from nearfar.training.callbacks import Epochs

    def stopped(self, epoch, logs=None):
        raise KeyboardInterrupt

    options = ["--limit", "60", "--model", "mlp", "--model-options", "width=8", "--epochs", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(Epochs, "on_epoch_begin", stopped)
        line = refused(capsys, "train", "digits", *options, code=130)
    assert line == "nearfar: interrupted; continue with: nearfar train --resume --out runs/digits-1\n"
    assert (
        cli.main(["train", "--resume", "--out", "runs/digits-1"]) == 0
    )  # before the first epoch: from the start
    assert (place / "runs" / "digits-1" / "report.json").exists()
    assert "nothing to resume" in refused(capsys, "train", "--resume", "--out", "runs/digits-1")
    other = refused(capsys, "train", "--resume", "--out", "runs/digits-1", "--seed", "9")
    assert "was started with seed 0, not 9" in other


# --- wrong options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "DATA is missing"),
        (["digits", "--loss", "tripled"], "expected one of"),
        (["digits", "--loss", "tripled"], "triplet_loss, "),
        (["digits", "--loss", "triplet", "--loss-options", "mining=hrad"], "semihard"),
        (["digits", "--loss", "triplet", "--loss-options", "distance=euclid"], "squared_euclidean"),
        (["digits", "--loss", "triplet", "--loss-options", "marjin=1"], "expected margin, mining"),
        (["digits", "--loss", "triplet", "--loss-options", "margin=big"], "expected a number"),
        (["digits", "--loss-options", "margin"], "expected name=value"),
        (["digits", "--model", "resnet50"], "cnn, resnet, mlp or package.module:function"),
        (["digits", "--model", "no_such_module:net"], "no module 'no_such_module'"),
        (["digits", "--backend", "theano"], "torch, jax, tensorflow"),
        (["digits", "--split", "random"], "class, sample, given"),
        (["digits", "--epochs", "many"], "expected a whole number"),
        (["digits", "--epochs", "0"], "expected 1 or more"),
        (["digits", "--learning-rate", "-1"], "expected more than 0"),
        (["digits", "--optimiser", "adam"], "unrecognized arguments"),
        (["digits", "--resume"], "without --out"),
        (["--resume", "--out", "nowhere"], "no run to resume"),
        (["--config", "missing.yaml"], "missing.yaml does not exist"),
        (["nowhere/at/all"], "nowhere/at/all does not exist"),
        (["digits", "--classes-per-batch", "11"], "10 classes train"),
        (["digits", "--batch-size", "2000"], "expected at most that many"),
        (["digits", "--model-options", "depth=3"], "expected width"),
        (["digits", "--test-fraction", "1.5"], "between 0 and 1"),
    ],
)
def test_wrong_options_are_one_line(capsys, place, arguments, words):
    assert words in refused(capsys, "train", *arguments)
    assert not list(place.iterdir()), "nothing is left behind"


def test_wrong_files_of_options_are_one_line(capsys, place):
    for text, words in (
        ("epochs: many\ndata: digits", "expected a whole number"),
        ("data: digits\nepoch: 3", "'epoch' is not known"),
        ("data: [digits", "is not a YAML file"),
        ("- 1", "is not a YAML file"),
    ):
        (place / "own.yaml").write_text(text)
        assert words in refused(capsys, "train", "--config", "own.yaml")


# --- wrong data


def test_an_empty_folder(capsys, place):
    (place / "empty").mkdir()
    assert "empty" in refused(capsys, "train", "empty")


def test_one_class_only(capsys, place):
    write_images(place / "data", ["cats"], 8)
    assert "one class" in refused(capsys, "train", "data")


def test_a_class_with_one_sample(capsys, place):
    write_images(place / "data", ["cats", "dogs"], 8)
    write_images(place / "data", ["birds"], 1)
    line = refused(capsys, "train", "data")
    assert "birds" in line and "--skip-single" in line


def test_an_unreadable_image_is_named(capsys, place):
    write_images(place / "data", ["cats", "dogs"], 8)
    (place / "data" / "dogs" / "4.png").write_bytes(b"no picture")
    line = refused(capsys, "train", "data")
    assert "4.png" in line and "--skip-unreadable" in line


def test_features_that_are_nan(capsys, place):
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[7, 1] = np.nan
    np.savez(place / "data.npz", x=x, y=np.arange(40) % 4)
    line = refused(capsys, "train", "data.npz")
    assert "row 7 is nan" in line and "finite" in line


def test_a_run_folder_is_not_overwritten(capsys, place):
    (place / "run").mkdir()
    (place / "run" / "config.yaml").write_text("data: digits\n")
    assert "--overwrite" in refused(capsys, "train", "digits", "--out", "run")
    assert (place / "run" / "config.yaml").read_text() == "data: digits\n"


# --- on each backend

SCRIPT = """
import json, os, signal, sys
import numpy as np
backend, folder, what = sys.argv[1:]
os.environ["KERAS_BACKEND"] = backend
from nearfar import cli
from nearfar.training.backend import select_backend
select_backend()
if backend == "torch":
    import torch
    torch.set_num_threads(1)
from nearfar.training import load_run
from nearfar.training.callbacks import Epochs

def at_the_second_batch_of_epoch_3(self, batch, logs=None):
    if what == "kill" and self.batches.epoch == 2 and batch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
Epochs.on_train_batch_end = at_the_second_batch_of_epoch_3

killed, whole = f"{folder}/killed", f"{folder}/whole"
if what == "kill":
    sys.exit(cli.main(["train", "glyphs", "--out", killed, *json.loads(os.environ["OPTIONS"])]))
assert cli.main(["train", "--resume", "--out", killed]) == 0
assert cli.main(["train", "--config", f"{killed}/config.yaml", "--out", whole]) == 0
one, other = load_run(killed), load_run(whole)
rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics] for run in (one, other)]
weights = [np.concatenate([w.ravel() for w in run.model.get_weights()]).tolist() for run in (one, other)]
test = one.data().test
difference = float(np.abs(one.embed(test) - other.embed(test)).max())
saved = one.embeddings()
reopened = float(np.abs(saved.embeddings[saved.split == "test"] - one.embed(test)).max())
print(json.dumps({
    "backend": one.config.backend, "rows": rows, "weights": weights, "difference": difference,
    "reopened": reopened, "files": sorted(os.listdir(killed)),
}))
"""
# dropout, batch normalisation, augmentation, a learnt number, a learning rate that changes: all must go on
OPTIONS = [
    *(
        "--limit",
        "96",
        "--model",
        "mlp",
        "--model-options",
        "width=24",
        "--embedding-dim",
        "8",
        "--epochs",
        "4",
    ),
    *("--classes-per-batch", "4", "--samples-per-class", "3", "--batches-per-epoch", "3", "--seed", "5"),
    *("--loss", "margin", "--loss-options", "learn=[beta]", "--validation-fraction", "0.2"),
]


def subprocess_of(backend, folder, what):
    environment = {**os.environ, "OPTIONS": json.dumps(OPTIONS), "OMP_NUM_THREADS": "1"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}
    environment.pop("NEARFAR_TRACEBACK", None)
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, backend, str(folder), what],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_killed_run_goes_on_to_the_same_end(backend, tmp_path):
    done = subprocess_of(backend, tmp_path, "kill")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "killed" / "checkpoint" / "state.json").exists()
    done = subprocess_of(backend, tmp_path, "resume")
    assert done.returncode == 0, done.stderr
    assert "Going on after epoch 2." in done.stdout
    found = json.loads(done.stdout.strip().split("\n")[-1])
    assert found["backend"] == backend
    resumed, whole = found["rows"]
    assert [row["epoch"] for row in resumed] == [1, 2, 3, 4]
    for one, other in zip(resumed, whole, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    np.testing.assert_allclose(*found["weights"], rtol=1e-4, atol=1e-5)
    assert found["difference"] < 1e-4 and found["reopened"] < 1e-5
    assert found["files"] == [
        "config.yaml", "curves.png", "embedding.png", "embeddings.parquet", "metrics.csv", "model.keras",
        "projector", "report.json", "viewer.html",
    ]  # fmt: skip
