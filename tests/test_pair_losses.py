"""What holds for single pair losses beyond what test_losses.py asks of all: constant weights, references, minings."""

from functools import partial

import numpy as np
import pytest
from reference import distances, positives_and_negatives
from reference.distributions import gaps, histogram_of
from reference.pairs import ranked_list
from reference.similarity import circle

from nearfar import losses, pair_mining
from nearfar.distances import pairwise
from nearfar.losses.cosent import pair_cosent_loss
from nearfar.losses.dynamic_margin import gap_density
from nearfar.losses.pairs import signal_to_noise
from nearfar.pairs import Pairs, from_labels

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4], np.int32)
X = np.random.default_rng(0).normal(size=(11, 6))
Y = np.random.default_rng(1).normal(size=(7, 6))
OTHERS = np.array([0, 0, 1, 2, 2, 3, 5], np.int32)
DIRECTION = np.random.default_rng(2).normal(size=X.shape)


def slope_along(function):
    """Of a function of NumPy embeddings, by central differences."""
    return (function(X + 1e-5 * DIRECTION) - function(X - 1e-5 * DIRECTION)) / 2e-5


def gradient_along(framework, loss, **options):
    _, (gradient,) = framework.value_and_gradients(lambda x, y: loss(x, y, **options), X, LABELS)
    return (gradient * DIRECTION).sum()


def test_circles_paces_are_constant_to_the_gradient(differentiable):
    paces = 1 - distances(X, X, "cosine")
    expected = slope_along(lambda x: circle(x, LABELS, gamma=8.0, paces=paces))
    np.testing.assert_allclose(
        gradient_along(differentiable, losses.circle_loss, gamma=8.0), expected, rtol=1e-7
    )


def test_ranked_lists_weights_are_constant_to_the_gradient(differentiable):
    options = {"alpha": 3.5, "positive_temperature": 1.0, "negative_temperature": 2.0}
    expected = slope_along(lambda x: ranked_list(x, LABELS, constant=distances(X, X), **options))
    found = gradient_along(differentiable, losses.ranked_list_loss, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_dynamic_soft_margins_distribution_is_constant_to_the_gradient(differentiable):
    values = gaps(X, LABELS)
    reached = np.cumsum(histogram_of(values, np.linspace(-2, 2, 512)))
    weights = [reached[int((v + 2) / (4 / 511))] for v in values]
    expected = slope_along(lambda x: np.mean(np.array(weights) * gaps(x, LABELS)))
    found = gradient_along(differentiable, losses.dynamic_soft_margin_loss)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_gap_density_is_a_moving_average(framework):
    first = framework(lambda x, y: gap_density(x, y, num_bins=20), X, LABELS)
    nodes = np.linspace(-2, 2, 21)
    np.testing.assert_allclose(first, histogram_of(gaps(X, LABELS), nodes), atol=1e-12)
    moved = framework(
        lambda x, y, p: gap_density(x, y, previous=p, momentum=0.25), X[:5] + 1, LABELS[:5], first
    )
    now = histogram_of(gaps(X[:5] + 1, LABELS[:5]), nodes)
    np.testing.assert_allclose(moved, 0.75 * first + 0.25 * now, atol=1e-12)
    none = framework(lambda x, y, p: gap_density(x, y, previous=p), X[:1], LABELS[:1], first)
    np.testing.assert_allclose(none, first, atol=1e-12)


def lifted_across(d, margin):
    """Positive pairs between anchors and references; the negatives of a reference are among the anchors."""
    terms = []
    for i in range(len(X)):
        for j in np.flatnonzero(OTHERS == LABELS[i]):
            whole = sum(np.exp(margin - d[i, k]) for k in np.flatnonzero(OTHERS != LABELS[i]))
            whole += sum(np.exp(margin - d[k, j]) for k in np.flatnonzero(LABELS != OTHERS[j]))
            terms.append(max(0.0, np.log(whole) + d[i, j]) ** 2 / 2)
    return np.mean(terms)


@pytest.mark.parametrize("given", ["labels", "pairs"])
@pytest.mark.parametrize("block", [None, 4])
def test_lifted_structure_with_references_takes_negatives_from_both_sides(framework, given, block):
    def loss(x, y, labels, others):
        if given == "labels":
            return losses.lifted_structure_loss(x, labels, references=y, reference_labels=others, block=block)
        same = labels[:, None] == others[None, :]
        return losses.lifted_structure_loss(x, Pairs(same, ~same), references=y, block=block)

    np.testing.assert_allclose(
        framework(loss, X, Y, LABELS, OTHERS), lifted_across(distances(X, Y), 1.0), rtol=1e-9
    )


def test_lifted_structure_where_one_end_alone_has_a_negative(differentiable):
    positive = np.array([[False, True, False], [True, False, False], [False] * 3])
    negative = np.array([[False] * 3, [False, False, True], [False, True, False]])
    value, (gradient,) = differentiable.value_and_gradients(
        lambda x, p, n: losses.lifted_structure_loss(x, Pairs(p, n), margin=2.0), X[:3], positive, negative
    )
    d = distances(X[:3], X[:3])
    np.testing.assert_allclose(value, max(0, 2 - d[1, 2] + d[0, 1]) ** 2 / 2, rtol=1e-9)
    assert np.isfinite(gradient).all()


MININGS = [
    "multi_similarity",
    "pair_margin",
    "hardest_fraction",
    partial(pair_mining.hardest_fraction, fraction=0.3),
    partial(pair_mining.uniform_histogram, num_bins=2, positives_per_bin=3, negatives_per_bin=10),
    partial(pair_mining.angular, angle=35.0),
]


@pytest.mark.parametrize("mining", MININGS)
def test_a_mining_by_name_is_the_mining_of_pairs_in_blocks_too(framework, mining):
    choose = mining if callable(mining) else getattr(pair_mining, mining)
    loss = losses.generalized_lifted_structure_loss

    def both(x, labels):
        kept = choose(pairwise(x), from_labels(labels))
        return loss(x, kept), loss(x, labels, mining=mining, block=4), loss(x, labels)

    composed, named, without = framework(both, 0.2 * X, LABELS)
    np.testing.assert_allclose(named, composed, rtol=1e-9)
    assert composed != without


def test_unknown_minings_are_refused():
    with pytest.raises(ValueError, match="mining 'harder' is not known; expected one of multi_similarity, "):
        losses.circle_loss(X, LABELS, mining="harder")
    with pytest.raises(ValueError, match="takes neither references"):
        losses.circle_loss(X, LABELS, mining="angular", references=Y, reference_labels=OTHERS)
    with pytest.raises(ValueError, match="fraction is 2"):
        pair_mining.hardest_fraction(X, Pairs(X > 0, X < 0), fraction=2)


def test_boundaries_that_fit_no_labels_are_refused():
    with pytest.raises(ValueError, match=r"beta has shape \(3,\) and came with Pairs; expected a scalar"):
        losses.margin_loss(X, Pairs(X @ X.T > 0, X @ X.T < 0), beta=np.ones(3))
    with pytest.raises(ValueError, match=r"beta has shape \(3, 1\)"):
        losses.margin_loss(X, LABELS, beta=np.ones((3, 1)))


def test_signal_to_noise_is_the_ratio_of_variances(framework):
    expected = [[np.var(x - y) / np.var(x) for y in Y] for x in X]
    np.testing.assert_allclose(framework(signal_to_noise, X, Y), expected, rtol=1e-9)
    constant = framework(signal_to_noise, np.ones((1, 6)), Y)
    assert np.isfinite(constant).all()


SCORES = np.array([0.9, 0.1, 0.5, 0.5, 0.2, 0.7, 0.1])


def pair_cosent(x, scores, scale):
    s = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(x, Y, strict=True)]
    pairs = [(i, j) for i in range(7) for j in range(7) if scores[i] > scores[j]]
    return np.log(1 + sum(np.exp(scale * (s[j] - s[i])) for i, j in pairs))


def test_pair_cosent_ranks_pairs_by_their_scores(differentiable):
    def loss(x, y, scores):
        return pair_cosent_loss(x, y, scores, scale=5.0)

    value, (gradient, _, _) = differentiable.value_and_gradients(loss, X[:7], Y, SCORES)
    np.testing.assert_allclose(value, pair_cosent(X[:7], SCORES, 5.0), rtol=1e-9)
    direction = DIRECTION[:7]
    up, down = (pair_cosent(X[:7] + t * direction, SCORES, 5.0) for t in (1e-6, -1e-6))
    np.testing.assert_allclose((gradient * direction).sum(), (up - down) / 2e-6, rtol=1e-6)


def test_pair_cosent_of_equal_scores_is_zero(differentiable):
    value, gradients = differentiable.value_and_gradients(pair_cosent_loss, X[:7], Y, np.ones(7))
    assert value == 0
    assert not any(g.any() for g in gradients)
    with pytest.raises(ValueError, match=r"scores has shape \(3,\) but lefts has 7 rows"):
        pair_cosent_loss(X[:7], Y, SCORES[:3])


def test_cosent_in_blocks(differentiable):
    dense = differentiable.value_and_gradients(lambda x, y: losses.cosent_loss(x, y, block=None), X, LABELS)
    blocks = differentiable.value_and_gradients(lambda x, y: losses.cosent_loss(x, y, block=4), X, LABELS)
    np.testing.assert_allclose(blocks[0], dense[0], rtol=1e-10)
    np.testing.assert_allclose(blocks[1][0], dense[1][0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "name", ["margin_loss", "threshold_consistent_margin_loss", "intra_pair_variance_loss"]
)
def test_one_row_gives_zero(differentiable, name):
    value, (gradient,) = differentiable.value_and_gradients(getattr(losses, name), X[:1], LABELS[:1])
    assert value == 0
    assert not gradient.any()


def test_angular_loss_of_a_large_angle_does_not_overflow(differentiable):
    x = X.astype(np.float32)
    value, (gradient,) = differentiable.value_and_gradients(
        lambda x, y: losses.angular_loss(x, y, alpha=65.0), x, LABELS
    )
    t = np.tan(np.radians(65.0)) ** 2
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    expected = [
        np.logaddexp(
            0, np.logaddexp.reduce([4 * t * (unit[a] + unit[p]) @ unit[n] for n in far]) - 2 * (1 + t) * c
        )
        for a, (near, far) in enumerate(positives_and_negatives(LABELS))
        for p in near
        for c in [unit[a] @ unit[p]]
    ]
    np.testing.assert_allclose(value, np.mean(expected), rtol=1e-5)
    assert np.isfinite(gradient).all()


WEIGHTED = [
    name
    for name in losses.__all__
    if getattr(losses, name).__module__.split(".")[-1]
    in ("similarity", "margins", "lifted", "tuplet", "pairs", "distributions", "centroid", "ranking", "pnp")
    and name != "histogram_loss"
]


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_multiply_each_anchors_terms(name):
    loss, weights = getattr(losses, name), np.random.default_rng(3).uniform(size=11)
    np.testing.assert_allclose(loss(X, LABELS, weights=np.full(11, 3.0)), loss(X, LABELS), rtol=1e-9)
    if name != "intra_pair_variance_loss":  # the weights are in its means too
        anchors = [loss(X, LABELS, weights=one, reduction="sum") for one in np.eye(11)]
        whole = loss(X, LABELS, weights=weights, reduction="sum")
        np.testing.assert_allclose(whole, weights @ np.array(anchors), rtol=1e-9)


@pytest.mark.parametrize("name", [*WEIGHTED, "histogram_loss", "dynamic_soft_margin_loss", "cosent_loss"])
def test_an_empty_batch_gives_zero(framework, name):
    value = framework(getattr(losses, name), X[:0], LABELS[:0])
    assert value == 0
