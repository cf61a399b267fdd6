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
