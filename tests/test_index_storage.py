"""The index on disk: whole or not at all, and nothing foreign or damaged is read."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from nearfar import EmbeddingIndex
from nearfar.index import storage


@pytest.fixture
def random():
    return np.random.default_rng(4)


@pytest.fixture
def saved(tmp_path, random):
    index = EmbeddingIndex(
        random.normal(size=(50, 4)).astype(np.float32), random.integers(0, 5, 50), distance="cosine"
    )
    index.calibrate(far=0.1)
    index.save(tmp_path / "index")
    return index, tmp_path / "index"


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "labels",
    [
        None,
        np.arange(4) + 2**62,
        np.arange(4, dtype=np.uint64) + 2**63,
        ["a", "ä", "", "long text"],
        [True, False] * 2,
    ],
    ids=["none", "int64", "uint64", "strings", "bools"],
)
def test_what_is_saved_is_loaded(labels, tmp_path, random):
    rows = random.normal(size=(4, 3)).astype(np.float32)
    payload = {
        "path": ["a.png", "b.png", "c.png", "d.png"],
        "year": [1, 2, 3, 2**60],
        "score": np.array([0.5, np.pi, -1.0, 0.0]),
        "image": [b"\x89PNG", b"", b"\0\xff", None],
        "tags": [["x"], [], ["y", "z"], ["x"]],
    }
    index = EmbeddingIndex(rows, labels, payload=payload, distance="manhattan")
    index.threshold = 0.1 + 0.2
    index.save(tmp_path)
    loaded = EmbeddingIndex.load(tmp_path)
    assert isinstance(loaded.embeddings, np.memmap) or isinstance(loaded.embeddings.base, np.memmap)
    assert loaded.embeddings.tolist() == rows.tolist() and loaded.embeddings.dtype == np.float32
    assert (loaded.distance, loaded.threshold, loaded.backend) == ("manhattan", 0.1 + 0.2, "exact")
    assert (loaded.labels is None) == (labels is None)
    if labels is not None:
        assert loaded.labels.tolist() == list(np.asarray(labels).tolist())
    for name, values in payload.items():
        assert loaded.payload[name].tolist() == (values.tolist() if name == "score" else values)
    queries = random.normal(size=(3, 3))
    assert loaded.search(queries, 2)[0].tolist() == index.search(queries, 2)[0].tolist()
    assert loaded.search(queries, 2, where={"path": "c.png"})[1].tolist() == [[2]] * 3


def test_calibration_is_kept(saved):
    index, folder = saved
    loaded = EmbeddingIndex.load(folder)
    assert loaded.threshold == index.threshold and loaded.calibration == index.calibration
    assert loaded.match(index.embeddings[:5]) == index.match(index.embeddings[:5])


def test_a_loaded_index_grows_and_is_saved_over_itself(saved, random):
    index, folder = saved
    loaded = EmbeddingIndex.load(folder)
    loaded.add(random.normal(size=(3, 4)), [9, 9, 9])
    loaded.save(folder)
    assert len(EmbeddingIndex.load(folder)) == 53 and len(files(folder)) == 3
    assert len(index) == 50


def test_empty_and_bare_indexes_are_saved(tmp_path):
    EmbeddingIndex(np.zeros((0, 7), np.float32)).save(tmp_path)
    loaded = EmbeddingIndex.load(tmp_path)
    assert loaded.embeddings.shape == (0, 7) and loaded.labels is None and loaded.payload == {}


def test_only_open_formats_are_written(saved):
    _, folder = saved
    assert [name.split("-")[0] + os.path.splitext(name)[1] for name in files(folder)] == [
        "embeddings.npy", "index.json.json", "labels.npy",
    ]  # fmt: skip
    manifest = json.loads((folder / "index.json").read_text())
    array = np.load(folder / manifest["files"]["embeddings"]["name"], allow_pickle=False)
    assert array.shape == (50, 4)


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(TypeError, match="distance is a function"):
        EmbeddingIndex([[0.0]], distance=lambda x, y: x @ y.T).save(tmp_path / "a")
    with pytest.raises(TypeError, match="labels are of int, str"):
        EmbeddingIndex([[0.0], [1.0]], np.array([1, "x"], dtype=object)).save(tmp_path / "b")
    with pytest.raises(TypeError, match="payload column 'odd' cannot be saved"):
        EmbeddingIndex([[0.0]], payload={"odd": [object()]}).save(tmp_path / "c")
    for folder in tmp_path.iterdir():
        assert "index.json" not in files(folder)


CRASH = """
import os, signal, sys
import numpy as np
from nearfar import EmbeddingIndex
steps, at = 0, int(sys.argv[2])
def dies(function):
    def step(*args, **kwargs):
        global steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return step
index = EmbeddingIndex(np.full((70, 4), 7.0), np.full(70, 7), payload={"n": np.arange(70)})
os.fsync, os.replace = dies(os.fsync), dies(os.replace)
os.unlink = dies(os.unlink)
import pathlib
pathlib.Path.unlink = dies(pathlib.Path.unlink)
index.save(sys.argv[1])
print(steps)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills without a goodbye")
def test_killed_while_saving_leaves_the_old_index(saved, tmp_path):
    index, folder = saved
    old = index.embeddings.tolist()

    def save_and_die(at, where):
        return subprocess.run(
            [sys.executable, "-c", CRASH, str(where), str(at)], capture_output=True, text=True
        )

    whole = save_and_die(0, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    seen = set()
    at = 1
    while True:
        done = save_and_die(at, folder)
        loaded = EmbeddingIndex.load(folder)  # every checksum is checked
        rows = "old" if loaded.embeddings.tolist() == old else "new"
        if rows == "new":
            assert loaded.embeddings.tolist() == [[7.0] * 4] * 70 and loaded.payload["n"].tolist() == list(
                range(70)
            )
        assert not ("new" in seen and rows == "old")  # once in force it stays
        seen.add(rows)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        at += 1
    assert seen == {"old", "new"} and at > 8  # eight fsyncs and renames, then what deletes the old files
    assert len(files(folder)) == 4  # nothing of the failed attempts is left


def test_a_failed_save_leaves_the_old_index(saved, monkeypatch):
    index, folder = saved

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.json, "dump", full)
    with pytest.raises(OSError, match="No space"):
        EmbeddingIndex(np.ones((5, 4))).save(folder)
    monkeypatch.undo()
    assert EmbeddingIndex.load(folder).embeddings.tolist() == index.embeddings.tolist()


def test_a_damaged_byte_is_found_and_named(saved):
    _, folder = saved
    for name in files(folder):
        path = folder / name
        whole = path.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            if path.name == "index.json" and json_or_none(path.read_bytes()) == json.loads(whole):
                continue  # a changed blank changes nothing
            with pytest.raises((ValueError, FileNotFoundError), match="index"):
                EmbeddingIndex.load(folder)
        path.write_bytes(whole[:-1])
        if path.name != "index.json":  # the last byte there is a line end
            with pytest.raises(ValueError, match=f"{name} is damaged: it has"):
                EmbeddingIndex.load(folder, verify=False)
        path.write_bytes(whole)
    EmbeddingIndex.load(folder)


def json_or_none(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def test_foreign_files_are_named(saved, tmp_path):
    _, folder = saved
    with pytest.raises(FileNotFoundError, match=r"expected a folder that EmbeddingIndex\.save wrote"):
        EmbeddingIndex.load(tmp_path / "nowhere")
    manifest = json.loads((folder / "index.json").read_text())
    cases = [
        ({"format": "other"}, "has format 'other'"),
        ({"version": 2}, "has version 2; this nearfar reads 1"),
        ({"threshold": 9.0}, "damaged: its checksum"),
    ]
    for change, message in cases:
        (folder / "index.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(ValueError, match=message):
            EmbeddingIndex.load(folder)
    for text in ("[1, 2]", "not json", '{"a": 1}', "\x00\x01"):
        (folder / "index.json").write_text(text)
        with pytest.raises(ValueError, match=r"index\.json is not the manifest of a nearfar index"):
            EmbeddingIndex.load(folder)


def test_a_missing_file_is_named(saved):
    _, folder = saved
    name = next(name for name in files(folder) if name.startswith("labels"))
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        EmbeddingIndex.load(folder)


def test_a_manifest_cannot_point_outside(saved, tmp_path):
    _, folder = saved
    manifest = json.loads((folder / "index.json").read_text())
    (tmp_path / "outside.npy").write_bytes((folder / manifest["files"]["embeddings"]["name"]).read_bytes())
    manifest["files"]["embeddings"]["name"] = "../outside.npy"
    manifest["checksum"] = storage._checksum(manifest)
    (folder / "index.json").write_text(json.dumps(manifest))
    with pytest.raises(FileNotFoundError, match=r"outside\.npy is missing"):
        EmbeddingIndex.load(folder)


def test_a_pickle_is_not_opened(saved):
    _, folder = saved
    manifest = json.loads((folder / "index.json").read_text())
    entry = manifest["files"]["labels"]
    np.save(folder / entry["name"], np.array([object()] * 50, dtype=object), allow_pickle=True)
    entry["bytes"] = (folder / entry["name"]).stat().st_size
    entry["sha256"] = storage._digest(folder / entry["name"])
    manifest["checksum"] = storage._checksum(manifest)
    (folder / "index.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="is not a NumPy array file"):
        EmbeddingIndex.load(folder)


def test_other_files_in_the_folder_stay(saved):
    index, folder = saved
    (folder / "notes.txt").write_text("mine")
    (folder / "embeddings.npy").write_text("mine too")
    index.save(folder)
    assert {"notes.txt", "embeddings.npy"} <= set(files(folder))
