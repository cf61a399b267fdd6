"""Training, piece by piece; test_training_runs.py has whole runs, test_cli.py the command on each backend."""

import numpy as np
import pytest
from training_setup import SMALL, keras

from nearfar.data import load
from nearfar.training import ConfigError, TrainConfig, checkpoint, collapse, defaults, report, train
from nearfar.training.learner import MetricLearner
from nearfar.training.objective import Objective
from nearfar.training.schedules import OneCycle, make_optimizer


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
