"""Sampled classes, weights, and what losses over classes refuse."""

import numpy as np
import pytest

from nearfar import losses
from nearfar.samplers import sample_classes

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(8, 5))
LABELS = np.array([0, 3, 3, 9, 1, 0, 9, 3], np.int32)
PROXIES = GENERATOR.normal(size=(12, 5))
CHOSEN = np.array([0, 1, 3, 5, 9, 11], np.int32)
NAMES = [
    "adaface_loss",
    "arcface_loss",
    "cosface_loss",
    "instance_loss",
    "large_margin_softmax_loss",
    "magface_loss",
    "normalized_softmax_loss",
    "p2sgrad_loss",
    "proxy_anchor_loss",
    "proxy_nca_loss",
    "proxy_nca_plus_plus_loss",
    "soft_triple_loss",
    "sphereface_loss",
    "sub_center_arcface_loss",
]


def proxies_of(name):
    centres = name.startswith(("soft_triple", "sub_center"))
    return np.random.default_rng(1).normal(size=(12, 2, 5)) if centres else PROXIES


@pytest.mark.parametrize("name", NAMES)
def test_sampled_classes_are_the_loss_of_these_classes_alone(name):
    proxies, loss = proxies_of(name), getattr(losses, name)
    renumbered = np.searchsorted(CHOSEN, LABELS)
    expected = loss(X, renumbered, proxies=proxies[CHOSEN])
    np.testing.assert_allclose(loss(X, LABELS, proxies=proxies, classes=CHOSEN), expected, rtol=1e-12)


def test_sampled_classes_leave_the_other_proxies_alone(differentiable):
    def function(x, labels, proxies, classes):
        # times one: TensorFlow's gradient of what is gathered is a sparse IndexedSlices, which this makes a table
        return losses.arcface_loss(x, labels, proxies=1.0 * proxies, classes=classes)

    _, (_, gradient) = differentiable.value_and_gradients(function, X, LABELS, PROXIES, CHOSEN)
    assert gradient[CHOSEN].any(axis=1).all()
    assert not np.delete(gradient, CHOSEN, axis=0).any()


def test_sampled_classes_compile(compiled):
    def function(x, labels, proxies, classes):
        return losses.cosface_loss(x, labels, proxies=proxies, classes=classes)

    value = compiled(function, X, LABELS, PROXIES, CHOSEN)
    np.testing.assert_allclose(value, function(X, LABELS, PROXIES, CHOSEN), rtol=1e-9)


def test_a_row_whose_class_is_not_sampled_does_not_count():
    kept = LABELS != 9
    few = np.array([0, 1, 3, 5])
    value = losses.arcface_loss(X, LABELS, proxies=PROXIES, classes=few)
    np.testing.assert_allclose(
        value, losses.arcface_loss(X[kept], LABELS[kept], proxies=PROXIES, classes=few)
    )


def test_drawn_classes_keep_the_batchs_and_repeat_by_seed():
    drawn = sample_classes(LABELS, 12, 7, seed=3)
    assert len(np.unique(drawn)) == 7
    assert set(LABELS) <= set(drawn.tolist()) <= set(range(12))
    np.testing.assert_array_equal(drawn, sample_classes(LABELS[:, None], 12, 7, seed=3))
    np.testing.assert_array_equal(sample_classes(LABELS, 12, 12), np.arange(12))
    np.testing.assert_array_equal(sample_classes(LABELS, 12, 4), [0, 1, 3, 9])


def test_other_classes_are_drawn_evenly():
    generator, counts = np.random.default_rng(0), np.zeros(12)
    for _ in range(4000):
        counts[sample_classes(LABELS, 12, 6, seed=generator)] += 1
    assert (counts[[0, 1, 3, 9]] == 4000).all()
    others = np.delete(counts, [0, 1, 3, 9])  # each with chance 2 / 8: 1000, standard deviation 27
    assert np.abs(others - 1000).max() < 6 * 27


@pytest.mark.parametrize(
    ("labels", "count", "text"),
    [
        ([0, 12], 5, "labels holds 12"),
        ([-1], 5, "labels holds -1"),
        ([0, 1, 2], 2, "count is 2"),
        ([0], 13, "at most"),
    ],
)
def test_wrong_draws_are_refused(labels, count, text):
    with pytest.raises(ValueError, match=text):
        sample_classes(labels, 12, count)


@pytest.mark.parametrize(
    "name", ["arcface_loss", "normalized_softmax_loss", "nt_xent_loss", "siglip_loss", "nca_loss"]
)
@pytest.mark.parametrize("block", [None, 3])
def test_a_weight_counts_terms_as_often(framework, name, block):
    """The mean over anchors, each taken as often as its weight says, from the values of single anchors."""
    options = {"proxies": PROXIES} if name in ("arcface_loss", "normalized_softmax_loss") else {}
    weights = np.array([2.0, 0.0, 1.0, 0.5, 3.0, 1.0, 1.0, 0.25])
    loss = getattr(losses, name)
    each = loss(X, LABELS, reduction="none", **options)
    if name == "nt_xent_loss":  # a mean over pairs: an anchor weighs as many as it has positives
        terms = np.array([np.sum(LABELS == label) - 1 for label in LABELS])
    else:
        alone = np.array([np.sum(LABELS == label) == 1 for label in LABELS])
        terms = np.where(alone & (name == "nca_loss"), 0, 1)
    expected = (weights * terms * each).sum() / (weights * terms).sum()

    def function(x, labels, weights, *proxies):
        learnt = {"proxies": proxies[0]} if proxies else {}
        return loss(x, labels, weights=weights, block=block, **learnt)

    value = framework(function, X, LABELS, weights, *options.values())
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_weights_of_single_values_multiply_them():
    weights = np.arange(8.0)
    each = losses.cosface_loss(X, LABELS, proxies=PROXIES, reduction="none")
    value = losses.cosface_loss(X, LABELS, proxies=PROXIES, reduction="none", weights=weights)
    np.testing.assert_allclose(value, weights * each)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_inputs_are_refused(name):
    loss, proxies = getattr(losses, name), proxies_of(name)
    with pytest.raises(TypeError, match="expected class numbers"):
        loss(X, LABELS.astype(float), proxies=proxies)
    with pytest.raises(ValueError, match="with the embeddings' d"):
        loss(X, LABELS, proxies=proxies[..., :3])
    with pytest.raises(ValueError, match="with the embeddings' d"):
        loss(X, LABELS, proxies=proxies[0])


def test_wrong_weights_and_margins_are_refused():
    with pytest.raises(ValueError, match="weights has shape"):
        losses.cosface_loss(X, LABELS, proxies=PROXIES, weights=np.ones(3))
    with pytest.raises(ValueError, match="expected a whole number"):
        losses.sphereface_loss(X, LABELS, proxies=PROXIES, margin=1.5)


@pytest.mark.parametrize("name", ["arcface_loss", "sub_center_arcface_loss", "magface_loss", "adaface_loss"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_embeddings_equal_or_opposite_to_their_proxy_have_finite_slopes(differentiable, name, sign):
    # the peer's ArcFace gave a NaN gradient in 60 of 100 such cases
    proxies = np.random.default_rng(2).normal(size=(40, 8)).astype(np.float32)
    labels = np.arange(40, dtype=np.int32)
    x = (sign * 3 * proxies).astype(np.float32)
    if name.startswith("sub_center"):
        proxies = proxies[:, None, :]

    def function(x, labels, proxies):
        return getattr(losses, name)(x, labels, proxies=proxies)

    value, gradients = differentiable.value_and_gradients(function, x, labels, proxies)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() and np.abs(g).max() < 1e3 for g in gradients)
