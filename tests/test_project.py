"""`nearfar project`: what it writes of a run, and what it says of wrong input."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from nearfar.cli import main

# looked for, not imported: importing Keras would settle its backend for all other tests
NEEDED = ("keras", "torch", "sklearn", "pyarrow", "jsonargparse", "matplotlib", "PIL")
needs_training = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)), reason=f"a run needs {', '.join(NEEDED)}"
)
UNTRAINED = """
import sys
from nearfar.commands._common import saved
from nearfar.commands.project import _untrained
from nearfar.evaluation import retrieval
found = saved(sys.argv[1], "test")
print(retrieval(_untrained(sys.argv[1], found), found.labels).map_at_r)
"""


def said(code, *arguments):
    """The output of a Python of its own, since a process has one Keras backend for good."""
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def nearfar(*arguments):
    return said(
        "import sys; from nearfar.cli import main; sys.exit(main(sys.argv[1:]))", *map(str, arguments)
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    options = ["--backend", "torch", "--epochs", "1", "--model", "cnn", "--limit", "600"]
    nearfar("train", "digits", "--out", folder, *options)
    return folder


@needs_training
@pytest.mark.slow
def test_a_run_is_looked_at_again_with_its_untrained_model(run, tmp_path):
    printed = nearfar("project", run, "--methods", "pca", "--out", tmp_path)
    assert "uvx embedding-atlas" in printed
    names = ["viewer.html", "embedding.png", "roc.png", "histogram.png", "neighbors.png", "confusions.png"]
    assert {*names, "curves.png", "projector"} == {path.name for path in tmp_path.iterdir()}
    page = (tmp_path / "viewer.html").read_text(encoding="utf-8")
    assert '"name":"Trained"' in page and '"name":"Untrained"' in page
    # the model before training is the one that the run measured
    expected = json.loads((run / "report.json").read_text())["untrained"]["retrieval"]["map_at_r"]
    assert float(said(UNTRAINED, str(run)).split()[-1]) == pytest.approx(expected, abs=1e-6)


@needs_training
@pytest.mark.slow
def test_samples_are_limited_and_the_untrained_left_out(run, tmp_path):
    options = ["--no-untrained", "--no-pictures", "--limit", "50", "--split", "all", "--methods", "pca"]
    nearfar("project", run, "--out", tmp_path, *options)
    assert {path.name for path in tmp_path.iterdir()} == {"viewer.html", "projector"}
    vectors = np.loadtxt(tmp_path / "projector" / "vecs.tsv", delimiter="\t")
    assert len(vectors) == 50
    assert '"name":"Untrained"' not in (tmp_path / "viewer.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere holds no config.yaml"),
        (["nowhere", "--methods", "tsne"], "expected some of pca, umap, pacmap"),
        (["nowhere", "--limit", "0"], "--limit is 0"),
        (["nowhere", "-k", "0"], "-k is 0"),
        ([], "required: RUN"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_two(arguments, words, capsys):
    assert main(["project", *arguments]) == 2
    line = capsys.readouterr().err
    assert words in line and line.count("\n") == 1
