"""Every loss of the catalogue trains by its name: what it takes is made of a batch with labels."""
# ruff: noqa: E402  Keras binds its backend when it is imported

import importlib.util

import numpy as np
import pytest

if not importlib.util.find_spec("keras"):
    pytest.skip("Keras is not installed", allow_module_level=True)

from nearfar import losses
from nearfar.data import load
from nearfar.evaluation import retrieval
from nearfar.losses.catalogue import Training, entries, entry
from nearfar.training import ConfigError, TrainConfig, defaults
from nearfar.training.backend import select_backend
from nearfar.training.catalogue import check_loss, loss_names
from nearfar.training.tables import MADE_FOR, tables

BACKEND = select_backend()
if BACKEND == "torch":
    import torch

    torch.set_num_threads(1)

from nearfar.training.embedding import embed
from nearfar.training.trainer import prepared

X = np.arange(10.0)[:, None] * np.ones(2)  # row i is (i, i)
LABELS = np.array([0, 1, 0, 1, 2, 1, 0, 2, 2, 2])


def rows(table):
    return table[:, 0].astype(int)


def test_triplets_are_a_row_and_its_partner_against_all_rows_of_other_classes(framework):
    def made(x, labels):
        return tables(("anchors", "positives", "negatives"), x, labels)

    anchors, positives, negatives = map(rows, framework(made, X, LABELS))
    assert anchors.tolist() == 9 * list(range(10))
    # the next row of the class, round and round
    assert positives.tolist() == 9 * [2, 3, 6, 5, 7, 1, 0, 8, 9, 4]
    assert (LABELS[negatives] != LABELS[anchors]).all()
    for row in range(10):
        assert set(negatives[anchors == row]) == set(np.flatnonzero(LABELS != LABELS[row]))


@pytest.mark.parametrize("count", [9, 10])
def test_pairs_are_all_pairs_of_the_batch(framework, count):
    def made(x, labels):
        return tables(("lefts", "rights", "same"), x, labels)

    lefts, rights, same = framework(made, X[:count], LABELS[:count])
    lefts, rights = rows(lefts), rows(rights)
    assert len(lefts) == count * (count // 2)
    pairs = {frozenset(pair) for pair in zip(lefts, rights, strict=True)}
    assert pairs == {frozenset((i, j)) for i in range(count) for j in range(i)}
    np.testing.assert_array_equal(LABELS[lefts] == LABELS[rights], same)


def test_views_are_the_rows_and_their_partners(framework):
    views, others = framework(lambda x, y: tables(("views", "other_views"), x, y), X, LABELS)
    assert rows(views).tolist() == list(range(10))
    np.testing.assert_array_equal(LABELS[rows(others)], LABELS)
    assert (rows(others) != rows(views)).all()


def test_no_query_is_a_document(framework):
    queries, documents = framework(lambda x, y: tables(("queries", "documents"), x, y), X, LABELS)
    assert len(queries) == len(documents) == 5
    np.testing.assert_array_equal(LABELS[rows(queries)], LABELS[rows(documents)])
    # classes of 3, 3 and 4 rows make 1 + 1 + 2 pairs; the fifth is a row that is left over, with itself
    apart = rows(queries) != rows(documents)
    assert apart.tolist() == [True] * 4 + [False]
    used = [*rows(queries), *rows(documents)[apart]]
    assert len(set(used)) == len(used)


def test_other_names_take_embeddings_and_labels():
    assert tables(("embeddings", "labels"), X, LABELS) == (X, LABELS)
    assert tables(("outputs", "targets"), X, LABELS) == (X, LABELS)


def test_every_loss_takes_labels_or_what_is_made_of_them():
    assert {one.inputs for one in entries()} == {("embeddings", "labels"), *MADE_FOR}
    assert loss_names() == losses.__all__
    for name in loss_names():
        check_loss(name, {})


def own_pairs(lefts, rights, same):
    return ((lefts - rights) ** 2).sum()


def own_four(a, b, c, d):
    return a.sum()


def test_ones_own_function_may_take_pairs_but_no_unknown_tables():
    TrainConfig(data="digits", loss=f"{__name__}:own_pairs")
    check_loss(f"{__name__}:own_pairs", {})
    with pytest.raises(ConfigError, match=r"takes \(a, b, c, d\)"):
        check_loss(f"{__name__}:own_four", {})


def resolved(**options):
    data = load("digits")
    return defaults.resolve(TrainConfig(data="digits", **options), data, data.train.labels, BACKEND)


def test_what_a_loss_wants_is_set_unless_somebody_says_otherwise(monkeypatch):
    from nearfar.losses import catalogue

    monkeypatch.setitem(catalogue._TRAINING, "circle_loss", Training(False, {"margin": 0.3, "gamma": 9.0}))
    config = resolved(loss="circle", loss_options={"gamma": 5.0}, model_options={"width": 8})
    assert config.model_options == {"normalize": False, "width": 8}
    assert config.loss_options == {"margin": 0.3, "gamma": 5.0}
    assert resolved(loss="circle", model_options={"normalize": True}).model_options == {"normalize": True}
    assert resolved(loss="supcon").model_options == {}
    assert resolved(loss="circle", model="some.module:function").model_options == {}


def test_what_the_catalogue_says_of_training_are_options_of_the_loss():
    for one in entries():
        assert set(one.training.options) <= set(one.options)
    assert not entry("adaface").training.normalized


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A table whose classes lie in 4 of 24 columns, under noise that hides them from raw distances."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 12)
    means = generator.normal(size=(40, 4))
    x = np.concatenate(
        [means[labels] + 0.25 * generator.normal(size=(480, 4)), generator.normal(size=(480, 20))], axis=1
    )
    mixed = x @ np.linalg.qr(generator.normal(size=(24, 24)))[0]
    path = tmp_path_factory.mktemp("data") / "noisy.npz"
    np.savez(path, x=mixed.astype(np.float32), y=labels)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", losses.__all__)
def test_every_loss_learns_what_tells_unseen_classes_apart(name, noisy):
    config = TrainConfig(data=str(noisy), split="class", loss=name, epochs=1, batches_per_epoch=150)
    data = load(config.data, split="class", seed=0)
    train_rows = np.arange(len(data.train))
    config = defaults.resolve(config, data, data.train.labels, BACKEND)
    learner, batches = prepared(config, data, train_rows)
    learner.fit(batches, epochs=1, verbose=0)
    raw = retrieval(data.test.read(np.arange(len(data.test))), data.test.labels)
    trained = retrieval(embed(learner.network, data.test), data.test.labels)
    assert trained.map_at_r > raw.map_at_r
