"""Training, piece by piece, and small runs in this process; test_cli.py runs the command on each backend."""
# ruff: noqa: E402  Keras binds its backend when it is imported

import csv
import importlib.util
import json
import math

import numpy as np
import pytest

if not importlib.util.find_spec("keras"):
    pytest.skip("Keras is not installed", allow_module_level=True)

from nearfar.data import load
from nearfar.training import ConfigError, TrainConfig, load_run, train
from nearfar.training.backend import select_backend

BACKEND = select_backend()
if BACKEND == "torch":
    import torch

    torch.set_num_threads(1)

import keras

from nearfar.training import checkpoint, collapse, defaults, outputs, pipeline, report
from nearfar.training.augment import random_affine
from nearfar.training.callbacks import TrainingError
from nearfar.training.embedding import embed
from nearfar.training.learner import MetricLearner
from nearfar.training.models import build_model
from nearfar.training.objective import Objective
from nearfar.training.schedules import OneCycle, make_optimizer

SMALL = {
    "data": "digits",
    "limit": 120,
    "model": "mlp",
    "model_options": {"width": 32},
    "embedding_dim": 8,
    "classes_per_batch": 5,
    "samples_per_class": 4,
    "epochs": 2,
    "batches_per_epoch": 4,
    "seed": 1,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    lines = []
    run = train(TrainConfig(**SMALL, out=str(tmp_path_factory.mktemp("runs") / "first")), say=lines.append)
    return run, "\n".join(lines)


class Zeros:
    """A source of chance without chance: every draw is 0, save that of the given number."""

    def __init__(self, number: int, value: float):
        self.number, self.value, self.count = number, value, 0

    def normal(self, loc, scale, size):
        self.count += 1
        return np.full(size, self.value if self.count == self.number + 1 else 0.0)


# --- batches


def test_shuffled_batches_hold_each_sample_once():
    sampler = pipeline.ShuffledSampler(103, 10, seed=4)
    sampler.set_epoch(3)
    seen = np.concatenate(list(sampler))
    assert len(seen) == 100 and len(np.unique(seen)) == 100
    again = pipeline.ShuffledSampler(103, 10, seed=4)
    again.set_epoch(3)
    assert np.array_equal(np.concatenate(list(again)), seen)
    again.set_epoch(4)
    assert not np.array_equal(np.concatenate(list(again)), seen)


def test_more_shuffled_batches_than_samples_go_round_again():
    batches = list(pipeline.ShuffledSampler(10, 4, batches_per_epoch=5))
    assert [len(batch) for batch in batches] == [4] * 5
    assert all(len(np.unique(batch)) == 4 for batch in batches)
    assert len(np.unique(np.concatenate(batches[:2]))) == 8


@pytest.mark.parametrize("by_class", [True, False])
def test_validation_keeps_classes_or_samples_of_each(by_class):
    labels = np.repeat(np.arange(20), 10)
    kept = pipeline.held_out(labels, 0.2, by_class=by_class, seed=0)
    counts = np.bincount(labels[kept], minlength=20)
    assert kept.sum() == 40
    assert sorted(counts) == ([0] * 16 + [10] * 4 if by_class else [2] * 20)


def test_validation_leaves_two_of_each_class_to_train_on():
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2])
    kept = pipeline.held_out(labels, 0.5, by_class=False, seed=0)
    assert np.bincount(labels[~kept], minlength=3).min() >= 2
    assert not pipeline.held_out(
        labels, 0.5, by_class=True, seed=0
    ).any()  # two classes would be left with one
    assert not pipeline.held_out(labels, 0.0, by_class=False, seed=0).any()


def test_batches_follow_from_seed_and_epoch():
    samples = load("digits", limit=80).train
    rows = np.arange(len(samples))[::2]

    def batches(seed):
        sampler = pipeline.ShuffledSampler(len(rows), 8, seed=seed)
        return pipeline.Batches(samples, rows, sampler, augment=0.5, seed=seed)

    first, second = batches(3), batches(3)
    first.set_epoch(2)
    [first[i] for i in range(len(first))]
    first.set_epoch(5)
    second.set_epoch(5)
    for one, other in ((first[i], second[i]) for i in (1, 0, 1)):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    plain = pipeline.Batches(samples, rows, pipeline.ShuffledSampler(len(rows), 8, seed=3), augment=0, seed=3)
    plain.set_epoch(5)
    inputs, labels = plain[0]
    np.testing.assert_array_equal(labels, first[0][1])
    assert not np.array_equal(inputs, first[0][0])
    np.testing.assert_array_equal(inputs, samples.read(rows[plain.plan[0]]))


# --- augmentation


def test_no_strength_changes_nothing():
    images = np.random.default_rng(0).random((3, 7, 9, 2), np.float32)
    np.testing.assert_allclose(random_affine(images, np.random.default_rng(0), 0.0), images, atol=1e-2)


@pytest.mark.parametrize(("draw", "axis"), [(4, 2), (5, 1)])
def test_a_shift_of_one_pixel_moves_the_picture_by_one(draw, axis):
    images = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    moved = random_affine(images, Zeros(draw, 1.0))
    inner = (slice(None), slice(1, -2), slice(1, -2))
    np.testing.assert_allclose(moved[inner], np.roll(images, -1, axis)[inner], atol=1e-5)


def test_a_quarter_turn_turns_the_picture():
    images = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    turned = random_affine(images, Zeros(0, math.pi / 2))
    # x' = -y, y' = x: the picture turns against the clock on the screen, where y points down
    np.testing.assert_allclose(turned[:, 1:-1, 1:-1], np.rot90(images, 1, (1, 2))[:, 1:-1, 1:-1], atol=2e-2)


def test_augmented_images_stay_in_range_and_differ():
    images = np.random.default_rng(0).random((4, 12, 10, 3), np.float32)
    changed = random_affine(np.repeat(images[:1], 4, 0), np.random.default_rng(1), 1.0)
    assert changed.dtype == np.float32 and changed.min() >= 0 and changed.max() <= 1
    assert np.abs(changed[0] - changed[1]).max() > 0.01


# --- models, loss, optimizer


@pytest.mark.parametrize("name", ["cnn", "resnet", "mlp"])
@pytest.mark.parametrize("shape", [(24, 24, 1), (8, 8, 1), (28, 20, 3)])
def test_models_give_rows_of_length_one(name, shape):
    model = build_model(name, shape, {}, 12)
    out = model.predict_on_batch(np.random.default_rng(0).random((3, *shape), np.float32))
    assert out.shape == (3, 12)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["cnn", "resnet", "mlp"])
def test_a_black_image_leaves_the_weights_finite(name):
    # its embedding is a row of zeros, whose length has no slope
    images = np.zeros((6, 8, 8, 1), np.float32)
    images[2:] = np.random.default_rng(0).random((4, 8, 8, 1))
    learner = MetricLearner(build_model(name, (8, 8, 1), {}, 6), Objective("triplet_loss", {}, 3, 6))
    learner.compile(optimizer=make_optimizer("adam", 1e-3, "constant", 2, 0.0))
    for _ in range(2):
        learner.train_on_batch(images, np.array([0, 0, 1, 1, 2, 2], np.int32))
    assert all(np.isfinite(weights).all() for weights in learner.network.get_weights())


def network_of_nan(input_shape):
    layer = keras.layers.Dense(3, bias_initializer=keras.initializers.Constant(float("nan")))
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), layer])


def test_a_run_that_diverges_says_so(tmp_path):
    options = {**SMALL, "model": f"{__name__}:network_of_nan", "model_options": {}}
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        train(TrainConfig(**options, out=str(tmp_path / "run")), say=lambda line: None)


def test_cnn_is_the_tutorials_network():
    layers = [type(layer).__name__ for layer in build_model("cnn", (28, 28, 1), {}).layers]
    block = ["Conv2D", "MaxPooling2D", "Dropout"]
    assert layers == ["InputLayer", *block, *block, "Flatten", "Dense"]
    # 2*2*1*64 + 64, 2*2*64*32 + 32, 7*7*32*256 + 256
    assert build_model("cnn", (28, 28, 1), {}).count_params() == 320 + 8224 + 401_664


@pytest.mark.parametrize(
    ("name", "shape", "options", "words"),
    [
        ("cnn", (20,), {}, "takes images"),
        ("resnet", (8, 8, 1), {"depth": 3}, "expected width, normalize"),
        ("cnn", (8, 8, 1), {"filters": 3}, "cannot be made"),
        ("nearfar_no_such:thing", (8, 8, 1), {}, "no module 'nearfar_no_such'"),
        ("nearfar.data:thing", (8, 8, 1), {}, "nothing named 'thing'"),
        ("builtins:dict", (8, 8, 1), {}, "expected a keras.Model or a torch.nn.Module"),
    ],
)
def test_a_model_that_cannot_be_says_why(name, shape, options, words):
    with pytest.raises(ConfigError, match=words):
        build_model(name, shape, options)


def flat_network(input_shape):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(3)])


def test_outputs_that_are_no_embeddings_are_refused():
    with pytest.raises(ConfigError, match=r"expected \(n, d\)"):
        build_model(f"{__name__}:flat_network", (8, 8, 1), {})


def margin_by_loops(embeddings, labels, margin):
    """Value and share of positive terms of all triplets, by three loops."""
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    n, terms = len(labels), []
    for a in range(n):
        for p in range(n):
            for q in range(n):
                if a != p and labels[a] == labels[p] and labels[a] != labels[q]:
                    terms.append(max(0.0, margin + distances[a, p] - distances[a, q]))
    same = labels[:, None] == labels[None]
    apart = same & ~np.eye(n, dtype=bool)
    return np.mean(terms), np.mean(np.array(terms) > 0), distances[apart].mean(), distances[~same].mean()


def test_progress_bar_shows_what_loops_find():
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(12, 5)).astype(np.float32), np.repeat(np.arange(4), 3).astype(np.int32)
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    learner = MetricLearner(network, Objective("triplet_loss", {"mining": "all", "margin": 0.7}, 4, 4))
    learner.compile(optimizer=keras.optimizers.SGD(0.0))
    found = learner.train_on_batch(inputs, labels, return_dict=True)
    loss, active, positive, negative = margin_by_loops(network.predict_on_batch(inputs), labels, 0.7)
    assert 0 < active < 1
    assert float(found["loss"]) == pytest.approx(loss, rel=1e-4)
    assert float(found["active_fraction"]) == pytest.approx(active, rel=1e-4)
    assert float(found["positive_distance"]) == pytest.approx(positive, rel=1e-4)
    assert float(found["negative_distance"]) == pytest.approx(negative, rel=1e-4)


def test_labels_beyond_float32_stay_apart():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(8, 5)).astype(np.float32)
    small = np.array([0, 0, 1, 1, 2, 2, 3, 3], np.int32)
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    learner = MetricLearner(network, Objective("supcon_loss", {}, 4, 4))
    learner.compile(optimizer=keras.optimizers.SGD(0.0))
    losses = [
        float(learner.train_on_batch(inputs, codes, return_dict=True)["loss"])
        for codes in (small, small + 2**24)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_what_a_loss_learns_is_trained_and_saved(tmp_path):
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(12, 5)).astype(np.float32), np.repeat(np.arange(4), 3).astype(np.int32)

    def learner():
        network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
        learner = MetricLearner(network, Objective("cosface_loss", {"scale": 8.0}, 4, 4, seed=2))
        learner.compile(optimizer=make_optimizer("adam", 0.05, "constant", 10, 0.0))
        return learner

    trained = learner()
    before = keras.ops.convert_to_numpy(trained.objective.learnt["proxies"])
    losses = [float(trained.train_on_batch(inputs, labels, return_dict=True)["loss"]) for _ in range(5)]
    after = keras.ops.convert_to_numpy(trained.objective.learnt["proxies"])
    assert before.shape == (4, 4) and np.abs(after - before).max() > 0.01
    assert losses[-1] < losses[0]
    state = {"epoch": 1, "best_epoch": 1}
    checkpoint.save(tmp_path, trained, state, is_best=True)
    restored = learner()
    assert checkpoint.restore(tmp_path, restored) == state
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(restored.objective.learnt["proxies"]), after)
    assert int(restored.optimizer.iterations) == 5
    one, other = (m.train_on_batch(inputs, labels, return_dict=True)["loss"] for m in (trained, restored))
    assert float(one) == pytest.approx(float(other), rel=1e-6)


def test_the_one_cycle_rises_and_falls():
    rate = OneCycle(0.1, 100, rise=0.3, start=0.04)
    # 0.04 of the peak, the mean of start and peak half way up, the peak, half of it half way down, nothing
    expected = {0: 0.004, 15: 0.052, 30: 0.1, 65: 0.05, 100: 0.0, 200: 0.0}
    assert {step: float(rate(step)) for step in expected} == pytest.approx(expected, abs=1e-7)


# --- choices


def test_a_batch_fits_the_data_or_is_refused():
    data = load("digits", limit=60)
    labels = data.train.labels
    fitted = defaults.resolve(TrainConfig(data="digits"), data, labels, "jax")
    assert (fitted.classes_per_batch, fitted.samples_per_class, fitted.batches_per_epoch) == (10, 6, 1)
    for options, words in (
        ({"classes_per_batch": 11}, "10 classes train"),
        ({"samples_per_class": 7}, "largest class that trains has 6"),
        ({"batch_size": 61}, "60 samples train"),
    ):
        with pytest.raises(ConfigError, match=words):
            defaults.resolve(TrainConfig(data="digits", **options), data, labels, "jax")


def test_rows_chosen_for_a_report_keep_neighbours():
    labels = np.random.default_rng(0).integers(0, 300, 5000)
    rows = report.chosen_rows(labels, 200)
    counts = np.bincount(labels[rows])
    assert len(rows) == 200 and (np.diff(rows) > 0).all()
    assert set(counts[counts > 0]) == {4}
    assert np.array_equal(report.chosen_rows(labels, 5000), np.arange(5000))


# --- collapse


def test_spread_is_a_share_of_the_length():
    assert collapse.spread(np.ones((5, 3))) == 0
    assert collapse.spread(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(1)
    assert collapse.spread(np.array([[3.0, 4.0], [3.0, -4.0]])) == pytest.approx(0.8)  # mean (3, 0), length 5
    assert collapse.spread(np.zeros((4, 2))) == 0
    assert collapse.spread(np.zeros((0, 2))) == 0


def constant_network(input_shape):
    zeros = keras.layers.Dense(4, kernel_initializer="zeros", bias_initializer="ones")
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), zeros])


def test_a_collapse_is_said_in_plain_words(tmp_path):
    lines = []
    options = {**SMALL, "model": f"{__name__}:constant_network", "model_options": {}, "epochs": 1}
    options |= {"loss": "triplet", "loss_options": {"mining": "hard", "margin": 0.3}}
    found = train(TrainConfig(**options, out=str(tmp_path / "run")), say=lines.append)
    text = "\n".join(lines)
    assert "warning: collapse: all embeddings are nearly the same point" in text
    assert "stuck at its margin 0.3" in text and "mining=semihard" in text and "--learning-rate" in text
    assert found.report["run"]["warnings"][0].startswith("collapse")


# --- a run


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


# --- folders


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
