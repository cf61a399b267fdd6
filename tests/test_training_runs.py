"""Small runs in this process: the run folder and what is in it."""

import csv
import json
import math

import numpy as np
import pytest
from training_setup import BACKEND, SMALL, keras

from nearfar.training import (
    ConfigError,
    TrainConfig,
    load_run,
    outputs,
    train,
)
from nearfar.training.embedding import embed
from nearfar.training.models import build_model


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    lines = []
    run = train(TrainConfig(**SMALL, out=str(tmp_path_factory.mktemp("runs") / "first")), say=lines.append)
    return run, "\n".join(lines)


def test_a_run_folder_holds_what_it_should(run):
    found, _ = run
    files = {path.relative_to(found.path).as_posix() for path in found.path.rglob("*") if path.is_file()}
    names = ("vecs.tsv", "meta.tsv", "sprite.png", "projector_config.pbtxt")
    expected = {f"projector/{name}" for name in names} | {
        "config.yaml", "metrics.csv", "report.json", "model.keras", "embeddings.parquet",
        "viewer.html", "curves.png", "embedding.png",
    }  # fmt: skip
    assert files == expected


def test_the_report_has_three_columns_of_measures(run):
    found, text = run
    saved = json.loads((found.path / "report.json").read_text())
    for part in ("trained", "untrained", "raw"):
        assert set(saved[part]) == {"retrieval", "verification", "clustering"}
        assert 0 <= saved[part]["retrieval"]["map_at_r"] <= 1
    assert (
        saved["trained"]["retrieval"]["precision_at_1"]
        == found.report["trained"]["retrieval"]["precision_at_1"]
    )
    line = next(line for line in text.split("\n") if line.startswith("MAP@R"))
    assert line.split()[1:] == [
        f"{saved[p]['retrieval']['map_at_r']:.3f}" for p in ("trained", "untrained", "raw")
    ]
    assert str(found.path) in text


def test_the_report_measures_the_saved_embeddings(run):
    found, _ = run
    saved = found.embeddings()
    test = saved.split == "test"
    embeddings, labels = saved.embeddings[test], saved.labels[test]
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    right = labels[distances.argmin(axis=1)] == labels
    assert right.mean() == pytest.approx(found.report["trained"]["retrieval"]["precision_at_1"], abs=0.02)
    assert test.sum() == 120 and (~test).sum() == 120
    assert saved.images is not None and saved.images[0][:4] == b"\x89PNG"


def test_parquet_is_a_fixed_size_list_of_float32(run):
    import pyarrow.parquet as pq

    schema = pq.read_schema(run[0].path / "embeddings.parquet")
    assert str(schema.field("embedding").type) == "fixed_size_list<element: float>[8]"
    assert schema.names == ["embedding", "label", "split", "id", "image"]


def test_metrics_have_a_row_an_epoch(run):
    with (run[0].path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "active_fraction", "positive_distance", "negative_distance"} <= set(rows[0])
    assert {"val_precision_at_1", "val_map_at_r"} <= set(rows[0])
    assert len(run[0].metrics) == 2


def test_the_best_epoch_is_the_one_kept(run):
    found, _ = run
    by_epoch = [row["val_map_at_r"] for row in found.metrics]
    assert found.report["run"]["best_epoch"] == 1 + int(np.argmax(by_epoch))


def test_a_run_opens_again(run):
    found, _ = run
    again = load_run(found.path)
    assert again.config == TrainConfig.load(found.path / "config.yaml")
    test = again.data().test
    np.testing.assert_allclose(again.embed(test), found.embed(test), atol=1e-6)
    np.testing.assert_allclose(again.embed(test.read([3, 5])), again.embed(test, np.array([3, 5])), atol=1e-6)
    assert again.embed(test, np.array([], int)).shape == (0, 8)
    with pytest.raises(ConfigError, match="trained on"):
        again.embed(np.zeros((2, 9, 9, 1), np.float32))
    saved = again.embeddings()
    np.testing.assert_allclose(saved.embeddings[saved.split == "test"], again.embed(test), atol=1e-6)


def test_the_saved_configuration_repeats_the_run(run, tmp_path):
    found, _ = run
    config = TrainConfig.load(found.path / "config.yaml")
    config.out = str(tmp_path / "again")
    again = train(config, say=lambda line: None)
    for one, other in zip(found.metrics, again.metrics, strict=True):
        for name in set(one) - {"seconds"}:
            assert one[name] == pytest.approx(other[name], rel=1e-4, abs=1e-6), name
    test = found.data().test
    np.testing.assert_allclose(found.embed(test), again.embed(test), atol=1e-4)


def test_a_table_is_standardised_as_in_training(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 20)
    features = rng.normal(size=(80, 3)) * [1, 50, 0.1] + labels[:, None] * [1, 100, 0.3] + [5, 700, 3]
    path = tmp_path / "table.npz"
    np.savez(path, x=features, y=labels)
    options = {**SMALL, "data": str(path), "classes_per_batch": 4, "epochs": 1, "limit": None}
    found = train(TrainConfig(**options, out=str(tmp_path / "run")), say=lambda line: None)
    assert found.report["run"]["kind"] == "table"
    np.savez(tmp_path / "few.npz", x=features[:7], y=labels[:7])
    few = load_run(found.path).read(tmp_path / "few.npz")
    mean, deviation = found.preparation.mean, found.preparation.deviation
    np.testing.assert_allclose(few.read(slice(None)), (features[:7] - mean) / deviation, rtol=1e-4, atol=1e-4)


def test_mixed_precision_computes_in_bfloat16_and_gives_float32(tmp_path):
    options = {**SMALL, "epochs": 1, "mixed_precision": True, "batch_size": 30, "classes_per_batch": None}
    options |= {"samples_per_class": None}
    found = train(TrainConfig(**options, out=str(tmp_path / "run")), say=lambda line: None)
    dense = [layer for layer in found.model.layers if isinstance(layer, keras.layers.Dense)]
    assert dense[0].compute_dtype == "bfloat16" and dense[0].dtype == "float32"
    assert dense[-1].compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    assert found.config.sampler == "shuffled" and math.isfinite(found.metrics[-1]["loss"])


def test_tensorboard_reads_the_curves(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = train(TrainConfig(**SMALL, tensorboard=True, out=str(tmp_path / "run")), say=lambda line: None)
    events = EventAccumulator(str(found.path / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    values = [float(event.tensor_proto.float_val[0]) for event in events.Tensors("loss")]
    assert values == pytest.approx([row["loss"] for row in found.metrics], rel=1e-5)


@pytest.mark.skipif(BACKEND != "torch", reason="torch modules run on the torch backend")
def test_a_torch_module_trains_and_opens_again(tmp_path):
    options = {**SMALL, "model": f"{__name__}:TorchNet", "model_options": {}, "embedding_dim": None}
    found = train(TrainConfig(**options, out=str(tmp_path / "run")), say=lambda line: None)
    assert found.config.embedding_dim == 6
    test = found.data().test
    again = load_run(found.path)
    np.testing.assert_allclose(again.embed(test), found.embed(test), atol=1e-6)
    untrained = build_model(f"{__name__}:TorchNet", test.shape, {})
    assert np.abs(embed(untrained, test) - found.embed(test)).max() > 1e-3


if BACKEND == "torch":
    import torch

    class TorchNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(1, 5, 3)
            self.norm = torch.nn.BatchNorm2d(5)
            self.dropout = torch.nn.Dropout(0.2)
            self.dense = torch.nn.Linear(5, 6)

        def forward(self, x):
            x = self.norm(self.convolution(x)).relu().mean(dim=(2, 3))
            return torch.nn.functional.normalize(self.dense(self.dropout(x)))


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "metrics.csv"
    outputs.write_metrics(path, [{"epoch": 1, "loss": 2.0}])
    with pytest.raises(TypeError, match="not JSON serializable"):
        outputs.write_json(path, {"x": object})
    assert path.read_text().startswith("epoch,loss")
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]


def test_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [str(outputs.prepare_folder(None, "my data/set.npz")) for _ in range(2)]
    assert made == ["runs/my-data-set.npz-1", "runs/my-data-set.npz-2"]


def test_a_folder_is_replaced_only_if_asked_and_only_if_a_run(tmp_path):
    run, other = tmp_path / "run", tmp_path / "other"
    for folder, name in ((run, "config.yaml"), (other, "thesis.txt")):
        folder.mkdir()
        (folder / name).write_text("x")
    (run / "notes.txt").write_text("mine")
    for folder, overwrite, words in (
        (run, False, "--overwrite"),
        (other, True, "no run"),
        (other, False, "exists"),
    ):
        with pytest.raises(ConfigError, match=words):
            outputs.check_folder(str(folder), overwrite=overwrite)
    outputs.prepare_folder(str(run), "x", overwrite=True)
    assert [file.name for file in run.iterdir()] == ["notes.txt"]
    assert (other / "thesis.txt").exists()
    with pytest.raises(ConfigError, match="is a file"):
        outputs.check_folder(str(run / "notes.txt"))


@pytest.mark.parametrize(
    ("projections", "words"),
    [("pca,tsne", "expected some of pca, umap, pacmap"), ("", "'' is not known"), ("umap", "has 4 rows")],
)
def test_layouts_that_cannot_be_made_are_refused_at_the_start(tmp_path, projections, words):
    if projections == "umap":
        pytest.importorskip("umap")
    config = TrainConfig(**SMALL, evaluation_limit=4, projections=projections, out=str(tmp_path / "run"))
    with pytest.raises(ConfigError, match=words):
        train(config, say=lambda line: None)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_viewer_of_a_run_has_the_layouts_asked_for(tmp_path):
    pytest.importorskip("umap")
    config = TrainConfig(**SMALL, projections="pca,umap", out=str(tmp_path / "run"))
    page = (train(config, say=lambda line: None).path / "viewer.html").read_text(encoding="utf-8")
    assert page.count('"name":"UMAP"') == page.count('"name":"PCA"') == 2  # trained and untrained
