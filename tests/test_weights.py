"""A weight of 2 is an anchor that is given twice, and one of 0 an anchor left out, in losses of whole batches too."""

import numpy as np
import pytest

from nearfar import losses

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(8, 5))
LABELS = np.array([0, 0, 1, 1, 1, 2, 2, 0], np.int32)
Y = GENERATOR.normal(size=(6, 5))
OTHERS = np.array([0, 1, 2, 0, 1, 2], np.int32)
PROXIES = GENERATOR.normal(size=(4, 5))
TIMES = np.array([2, 0, 1, 3, 1, 1, 2, 1])
ONE_OR_MORE = np.array(
    [2, 1, 1, 3, 1, 1, 2, 1]
)  # for losses in which a reference's negatives are the anchors


@pytest.mark.parametrize(
    ("name", "options", "times"),
    [
        ("cosent_loss", {"scale": 3.0}, TIMES),
        ("cosent_loss", {"scale": 3.0, "block": 3}, TIMES),
        ("histogram_loss", {"num_bins": 10}, TIMES),
        ("dynamic_soft_margin_loss", {}, ONE_OR_MORE),
        ("dynamic_soft_margin_loss", {"density": np.full(21, 1 / 21)}, ONE_OR_MORE),
    ],
)
def test_a_weight_is_an_anchor_given_as_often(framework, name, options, times):
    tensors = {key: x for key, x in options.items() if isinstance(x, np.ndarray)}
    plain = {key: x for key, x in options.items() if key not in tensors}

    def function(x, labels, y, others, weights, *more):
        given = dict(zip(tensors, more, strict=True))
        rest = {"references": y, "reference_labels": others, "weights": weights}
        return getattr(losses, name)(x, labels, **rest, **plain, **given)

    value = framework(function, X, LABELS, Y, OTHERS, times.astype(float), *tensors.values())
    again, labels = np.repeat(X, times, axis=0), np.repeat(LABELS, times)
    expected = getattr(losses, name)(again, labels, references=Y, reference_labels=OTHERS, **options)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


@pytest.mark.parametrize("block", [None, 2])
def test_a_weight_in_proxy_anchor_is_a_row_given_as_often(framework, block):
    def function(x, labels, weights, proxies):
        return losses.proxy_anchor_loss(x, labels, proxies=proxies, weights=weights, alpha=4.0, block=block)

    value = framework(function, X, LABELS, TIMES.astype(float), PROXIES)
    again, labels = np.repeat(X, TIMES, axis=0), np.repeat(LABELS, TIMES)
    expected = losses.proxy_anchor_loss(again, labels, proxies=PROXIES, alpha=4.0)
    np.testing.assert_allclose(value, expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["vicreg_loss", "barlow_twins_loss", "triplet_margin_loss"])
def test_a_weight_of_explicit_rows_is_a_tuple_given_as_often(framework, name):
    rows = X[:6], Y, np.roll(Y, 1, axis=1)
    rows = rows if name == "triplet_margin_loss" else rows[:2]
    times = TIMES[:6]

    def function(weights, *rows):
        return getattr(losses, name)(*rows, weights=weights)

    expected = getattr(losses, name)(*(np.repeat(x, times, axis=0) for x in rows))
    for weights in (times.astype(float), times[:, None]):
        np.testing.assert_allclose(framework(function, weights, *rows), expected, rtol=1e-10)


@pytest.mark.parametrize("reduction", ["mean", "active_mean", "sum"])
def test_a_weight_of_an_explicit_pair_is_a_pair_given_as_often(framework, reduction):
    same, times = np.array([True, False, False, True, False, False]), TIMES[:6]

    def function(x, y, same, weights):
        return losses.pair_contrastive_loss(x, y, same, margin=3.0, weights=weights, reduction=reduction)

    again = [np.repeat(x, times, axis=0) for x in (X[:6], Y, same)]
    expected = losses.pair_contrastive_loss(*again, margin=3.0, reduction=reduction)
    np.testing.assert_allclose(framework(function, X[:6], Y, same, times.astype(float)), expected, rtol=1e-10)


def test_without_reduction_each_tuple_has_its_value_times_its_weight():
    # d = 1 and 0.5: 0.5 * 1 and 0.5 * (1 - 0.5)^2
    lefts, rights = np.zeros((2, 1)), np.array([[1.0], [0.5]])
    values = losses.pair_contrastive_loss(
        lefts, rights, np.array([True, False]), weights=np.array([2.0, 4.0]), reduction="none"
    )
    np.testing.assert_allclose(values, [1.0, 0.5])


def test_weights_of_another_number_are_told():
    with pytest.raises(ValueError, match=r"weights has shape \(5,\) but anchors has 6 rows"):
        losses.triplet_margin_loss(Y, Y, Y, weights=np.ones(5))
    with pytest.raises(ValueError, match=r"expected one number per tuple, \(n,\)"):
        losses.vicreg_loss(Y, Y, weights=np.ones((6, 2)))


@pytest.mark.parametrize("name", ["cosent_loss", "histogram_loss", "proxy_anchor_loss"])
def test_a_weight_of_zero_has_a_finite_gradient(differentiable, name):
    learnt = {"proxies": PROXIES} if name == "proxy_anchor_loss" else {}

    def function(x, labels, weights, *more):
        return getattr(losses, name)(x, labels, weights=weights, **dict(zip(learnt, more, strict=True)))

    constant = differentiable.tensor(TIMES.astype(np.int32))
    _, gradients = differentiable.value_and_gradients(
        lambda x, labels, *more: function(x, labels, constant, *more), X, LABELS, *learnt.values()
    )
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_weights_that_sum_to_one_keep_vicreg_finite(framework):
    x, y = np.random.default_rng(4).normal(size=(2, 100, 3)).astype(np.float32)
    value = framework(
        lambda x, y, w: losses.vicreg_loss(x, y, weights=w), x, y, np.full(100, 0.01, np.float32)
    )
    expected = 25 * ((x - y) ** 2).mean()
    for z in (x, y):  # divided by 1, as the docstring says: covariances over n
        covariances = np.cov(z.T, bias=True)
        spread = np.sqrt(np.diag(covariances) + 1e-4)
        expected += 25 * np.maximum(0, 1 - spread).mean()
        expected += (covariances**2).sum(where=~np.eye(3, dtype=bool)) / 3
    np.testing.assert_allclose(value, expected, rtol=1e-5)
