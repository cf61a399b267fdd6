"""Distances by their definition; near rows; slopes where two rows are equal."""

import numpy as np
import pytest
import reference

from nearfar import distances

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(7, 5)), RANDOM.normal(size=(4, 5))


@pytest.mark.parametrize("name", distances.NAMES)
def test_value_is_the_definition(framework, name):
    expected = reference.distances(X, Y, name)
    np.testing.assert_allclose(
        framework(lambda x, y: distances.pairwise(x, y, name), X, Y), expected, rtol=1e-10
    )
    single = framework(lambda x, y: distances.pairwise(x, y, name), X.astype("f4"), Y.astype("f4"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", distances.NAMES)
def test_paired_is_the_diagonal_of_pairwise(framework, name):
    both = framework(lambda x, y: distances.pairwise(x, y, name), X[:4], Y)
    np.testing.assert_allclose(
        framework(lambda x, y: distances.paired(x, y, name), X[:4], Y), np.diag(both), rtol=1e-9
    )


def test_a_function_is_used_as_it_is(framework):
    def squares(x, y):
        return ((x[:, None, :] - y[None, :, :]) ** 2)[:, :, 0]

    expected = (X[:, None, 0] - Y[None, :, 0]) ** 2
    np.testing.assert_allclose(
        framework(lambda x, y: distances.pairwise(x, y, squares), X, Y), expected, rtol=1e-12
    )


@pytest.mark.parametrize("name", ["euclidean", "squared_euclidean"])
def test_near_rows_far_from_the_origin_keep_their_distance(framework, name):
    # spacing 1e-3 on an offset of norm 100: the uncentred Gram formula gives 0 for many of these pairs
    offset = np.full(16, 25.0)
    x = (offset + 1e-3 * RANDOM.normal(size=(32, 16))).astype("f4")
    found = framework(lambda x: distances.pairwise(x, distance=name), x)
    exact = reference.distances(x.astype(float), x.astype(float), name)
    apart = ~np.eye(32, dtype=bool)
    assert (found[apart] > 0).all()
    np.testing.assert_allclose(found[apart], exact[apart], rtol=1e-4)


def test_squared_distances_are_within_the_stated_bound(framework):
    # two tight groups far apart, which centring cannot help: the error is relative to the larger squared norm
    x = np.concatenate(
        [RANDOM.normal(size=(8, 16)) * 1e-2 + 30, RANDOM.normal(size=(8, 16)) * 1e-2 - 30]
    ).astype("f4")
    found = framework(lambda x: distances.pairwise(x, distance="squared_euclidean"), x)
    exact = reference.distances(x, x, "squared_euclidean")
    centred = x.astype(float) - x.astype(float).mean(axis=0)
    norms = (centred**2).sum(axis=1)
    bound = 4 * 16 * np.finfo("f4").eps * np.maximum(norms[:, None], norms[None, :])
    assert (found >= 0).all()
    assert (np.abs(found - exact) <= bound).all()


@pytest.mark.parametrize("name", distances.NAMES)
def test_equal_rows_have_a_finite_gradient(differentiable, name):
    x = np.repeat(RANDOM.normal(size=(1, 5)), 3, axis=0)
    x[2] = 0  # a zero row has no direction

    def total(x):
        out = distances.pairwise(x, distance=name)
        return (out * out + out).sum() if hasattr(out, "sum") else _tf_sum(out * out + out)

    value, (gradient,) = differentiable.value_and_gradients(total, x)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def _tf_sum(x):
    import tensorflow as tf

    return tf.reduce_sum(x)


def test_wrong_input_is_told():
    with pytest.raises(ValueError, match=r"x has shape \(7, 5\) and y \(4, 3\); expected"):
        distances.pairwise(X, Y[:, :3])
    with pytest.raises(
        ValueError, match="distance 'l2' is not known; expected one of euclidean, squared_euclidean"
    ):
        distances.pairwise(X, Y, "l2")
    with pytest.raises(TypeError, match="distance is int; expected a name"):
        distances.pairwise(X, Y, 2)
    with pytest.raises(
        TypeError, match=r"expected a numpy, torch, jax or tensorflow tensor, got builtins\.list"
    ):
        distances.pairwise([[0.0]])
