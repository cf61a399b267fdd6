"""`nearfar evaluate`, `embed`, `search` and `verify`, on runs that `nearfar train` has just written."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from nearfar import EmbeddingIndex
from nearfar.evaluation import retrieval, verification

pq = pytest.importorskip("pyarrow.parquet")
Image = pytest.importorskip("PIL.Image")
pytest.importorskip("keras")
pytest.importorskip("torch")

pytestmark = pytest.mark.slow


def nearfar(*arguments, folder, fails=False):
    """What a command prints; Keras binds one framework a process, so each has its own."""
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from nearfar.cli import main; sys.exit(main())", *map(str, arguments)],
        capture_output=True, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    if fails:
        assert (
            done.returncode == 2 and done.stderr.startswith("nearfar: ") and done.stderr.count("\n") == 1
        ), done
        return done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two small runs and three pictures of digits."""
    from nearfar.data import load

    place = tmp_path_factory.mktemp("commands")
    small = (
        "--model-options",
        "width=8",
        "--embedding-dim",
        16,
        "--batches-per-epoch",
        4,
        "--limit",
        300,
    )
    for name, epochs in (("first", 2), ("second", 1)):
        nearfar("train", "digits", "--out", name, "--epochs", epochs, *small, folder=place)
    train = load("digits", limit=300).train
    (place / "photos").mkdir()
    for row in range(3):
        Image.fromarray(train.thumbnails([row])[0]).save(place / "photos" / f"{row}.png")
    return place


@pytest.fixture(scope="module")
def test_part(folder):
    """Embeddings and labels of the first run's test part, as it saved them."""
    table = pq.read_table(folder / "first" / "embeddings.parquet")
    rows = np.array(table["split"].to_pylist()) == "test"
    return np.array(table["embedding"].to_pylist(), np.float32)[rows], np.array(table["label"].to_pylist())[
        rows
    ]


def test_evaluate_measures_what_the_run_saved(folder, test_part):
    printed = nearfar("evaluate", "first", "--per-class", "--ks", "1,3", "--far", "0.2", folder=folder)
    report = json.loads((folder / "first" / "evaluation" / "evaluation.json").read_text())
    expected = retrieval(*test_part, ks=(1, 3))
    assert report["retrieval"]["map_at_r"] == expected.map_at_r
    assert report["retrieval"]["recall_at"]["3"] == expected.recall_at[3]
    assert report["verification"]["tar_at_far"] == {
        "0.2": verification(*test_part, far=(0.2,)).tar_at_far[0.2]
    }
    low, high = report["intervals"]["map_at_r"]
    assert low < expected.map_at_r < high
    assert f"map_at_r{expected.map_at_r:>23.4f}" in printed
    classes = expected.per_class()
    worst = min(classes, key=lambda name: classes[name]["map_at_r"])
    assert printed.split("MAP@R\n")[1].split()[0] == worst
    for name in ("roc.png", "histogram.png"):
        assert (folder / "first" / "evaluation" / name).stat().st_size > 5000


def test_evaluate_compares_runs(folder, test_part):
    printed = nearfar("evaluate", "first", "second", "--out", "compared", "--by", "class", folder=folder)
    report = json.loads((folder / "compared" / "comparison.json").read_text())
    entry = report["runs"]["second"]["map_at_r"]
    assert report["runs"]["first"]["map_at_r"]["value"] == retrieval(*test_part).map_at_r
    assert entry["difference"] == pytest.approx(entry["value"] - report["runs"]["first"]["map_at_r"]["value"])
    assert entry["difference_interval"][0] <= entry["difference"] <= entry["difference_interval"][1]
    assert f"{entry['difference']:+.4f}" in printed and "over classes" in printed
    assert {path.name for path in (folder / "compared").iterdir()} == {
        "comparison.json", "comparison.md", "comparison.png",
    }  # fmt: skip


def test_evaluate_other_data(folder):
    printed = nearfar(
        "evaluate", "first", "--data", "digits", "--limit", 200, "--out", "other", folder=folder
    )
    assert printed.startswith("200 queries, 19,900 pairs")
    error = nearfar("evaluate", "first", "--data", "photos", folder=folder, fails=True)
    assert "photos has no labels" in error


def test_embed_and_search_an_index(folder):
    nearfar("embed", "first", "photos", "--index", "index", "--out", "photos.npz", folder=folder)
    index, arrays = EmbeddingIndex.load(folder / "index"), np.load(folder / "photos.npz")
    assert index.embeddings.tolist() == arrays["x"].tolist() and arrays["x"].shape == (3, 16)
    assert index.payload["id"].tolist() == arrays["id"].tolist() == ["0.png", "1.png", "2.png"]
    query = folder / "photos" / "1.png"
    found = json.loads(
        nearfar("search", "first", query, "--index", "index", "-k", 2, "--json", folder=folder)
    )
    assert found[0]["hits"][0]["id"] == "1.png" and len(found[0]["hits"]) == 2
    assert found[0]["hits"][0]["distance"] == pytest.approx(0, abs=1e-5)
    nearfar("embed", "first", "digits", "--out", "digits.parquet", folder=folder)
    table = pq.read_table(folder / "digits.parquet")
    assert table.num_rows == 1797 and table.column_names == ["embedding", "label", "id", "image"]


def test_search_the_run_itself(folder):
    before = (folder / "first" / "search").exists()  # another test's index
    printed = nearfar("search", "first", "photos/0.png", "-k", 4, "--picture", "hits.png", folder=folder)
    lines = printed.splitlines()
    assert lines[0] == "0.png" and lines[2].split()[0] == "1" and len(lines) == 8
    distances = [float(line.split()[1]) for line in lines[2:6]]
    assert distances == sorted(distances) and distances[0] < 0.01  # the picture is one of the training part
    picture = np.asarray(Image.open(folder / "hits.png").convert("L"))
    assert picture.shape[1] > 2 * picture.shape[0] and picture.std() > 10
    assert (folder / "first" / "search").exists() == before


def test_verify_two_images(folder, test_part):
    same = json.loads(nearfar("verify", "first", "photos/0.png", "photos/0.png", "--json", folder=folder))
    assert same["same"] and same["distance"] == 0.0
    expected = verification(*test_part, far=(0.01,))
    assert same["threshold"] == expected.threshold_at_far[0.01]
    assert same["false_accept_rate"] <= 0.01
    assert same["false_reject_rate"] == pytest.approx(1 - expected.tar_at_far[0.01])
    printed = nearfar("verify", "first", "photos/0.png", "photos/1.png", "--threshold", "1e-9", folder=folder)
    assert printed.startswith("different: distance ") and "0.00% of different pairs" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "nowhere"), "nowhere holds no config.yaml"),
        (("evaluate", "first", "first"), "named twice"),
        (("evaluate", "first", "--ks", "one"), "expected numbers such as 1,5,10"),
        (("evaluate", "first", "--split", "train", "--limit", "1"), "--limit is 1"),
        (("evaluate", "first", "--far", "0.1,2"), "--far is 0.1,2; expected rates"),
        (("search", "first"), "QUERY"),
        (
            ("search", "first", "missing.png"),
            "missing.png does not exist; expected an image, a folder of images",
        ),
        (("search", "first", "photos/0.png", "-k", "0"), "-k is 0"),
        (("search", "first", "photos/0.png", "--index", "photos"), "index.json is missing"),
        (("verify", "first", "photos/0.png", "photos"), "photos holds 3 samples; expected one"),
        (("verify", "first", "photos/0.png", "photos/1.png", "--far", "2"), "--far is 2"),
        (("embed", "first", "photos", "--out", "photos.csv"), "expected a name that ends in .parquet"),
    ],
)
def test_wrong_command_lines_are_one_sentence(arguments, message, folder):
    assert message in nearfar(*arguments, folder=folder, fails=True)
