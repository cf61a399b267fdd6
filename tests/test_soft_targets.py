"""SupCon with soft labels: cross-entropy of target shares against the softmax over all other rows."""

import numpy as np
import pytest

from nearfar import losses, pairs

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(7, 4))
TARGETS = np.where(GENERATOR.random((7, 7)) < 0.5, 0.0, GENERATOR.random((7, 7)))
TARGETS[2] = 0.0  # an anchor without any target does not count
ROWS = np.arange(7, dtype=np.int32)


def cross_entropy(x, targets, temperature=0.1):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    terms = []
    for a in range(len(x)):
        others = [r for r in range(len(x)) if r != a]
        shares = np.array([targets[a, r] for r in others])
        if shares.sum():
            e = np.exp([unit[a] @ unit[r] / temperature for r in others])
            terms.append(-(shares / shares.sum() * np.log(e / e.sum())).sum())
    return np.mean(terms)


def loss(x, rows, targets, **options):
    return losses.supcon_loss(x, rows, targets=targets, **options)


@pytest.mark.parametrize("block", [None, 3])
def test_value_is_the_cross_entropy(framework, block):
    value = framework(lambda *tensors: loss(*tensors, block=block), X, ROWS, TARGETS)
    np.testing.assert_allclose(value, cross_entropy(X, TARGETS), rtol=1e-9)


def test_gradient_is_the_slope(differentiable):
    _, (gradient, _) = differentiable.value_and_gradients(loss, X, ROWS, TARGETS)
    direction = np.random.default_rng(1).normal(size=X.shape)
    up, down = (cross_entropy(X + t * direction, TARGETS) for t in (1e-6, -1e-6))
    np.testing.assert_allclose((gradient * direction).sum(), (up - down) / 2e-6, rtol=1e-6)


def test_it_compiles(compiled):
    np.testing.assert_allclose(compiled(loss, X, ROWS, TARGETS), cross_entropy(X, TARGETS), rtol=1e-9)


def test_hard_targets_are_labels(framework):
    labels = np.array([0, 0, 1, 1, 2, 2, 2], np.int32)
    hard = (labels[:, None] == labels[None, :]).astype(float)
    expected = framework(losses.supcon_loss, X, labels)
    np.testing.assert_allclose(framework(loss, X, labels, hard), expected, rtol=1e-12)


def test_overlap_of_multilabels_weighs_positives(framework):
    multilabels = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0], [1, 0, 1]])
    both = multilabels @ multilabels.T
    jaccard = both / (multilabels.sum(1)[:, None] + multilabels.sum(1)[None, :] - both)

    def through_pairs(x, multilabels, targets):
        return losses.supcon_loss(x, pairs.from_multilabels(multilabels), targets=targets)

    value = framework(through_pairs, X, multilabels, jaccard)
    np.testing.assert_allclose(value, cross_entropy(X, jaccard), rtol=1e-9)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"targets has shape \(7,\)"):
        losses.supcon_loss(X, ROWS, targets=TARGETS[0])
