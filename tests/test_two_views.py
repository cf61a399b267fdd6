"""Losses of two tables of rows: the paper's value, the slope, blocks, compiled code, degenerate batches."""

import numpy as np
import pytest
from reference import two_views

from nearfar import losses, pairs

CASES = [
    ("multiple_negatives_ranking", {}, 0),
    ("multiple_negatives_ranking", {"symmetric": True, "scale": 5.0}, 0),
    ("multiple_negatives_ranking", {"symmetric": True, "distance": "dot", "scale": 1.0}, 3),
    ("vicreg", {}, 0),
    ("vicreg", {"invariance": 2.0, "variance": 7.0, "covariance": 3.0, "eps": 0.1}, 0),
    ("barlow_twins", {}, 0),
    ("barlow_twins", {"redundancy": 0.3}, 0),
]
every_case = pytest.mark.parametrize(("name", "options", "more"), CASES)
every_loss = pytest.mark.parametrize(("name", "options", "more"), [CASES[2], CASES[3], CASES[5]])


def tables(more=0, dtype=np.float64, rows=6):
    generator = np.random.default_rng(0)
    x = 0.7 * generator.normal(size=(rows, 4))
    y = np.concatenate([x + generator.normal(size=x.shape), generator.normal(size=(more, 4))])
    return x.astype(dtype), y.astype(dtype)


def function_of(name, options, **more):
    return lambda x, y: getattr(losses, f"{name}_loss")(x, y, **options, **more)


@every_case
def test_value_is_the_papers(framework, name, options, more):
    x, y = tables(more)
    expected = getattr(two_views, name)(x, y, **options)
    np.testing.assert_allclose(framework(function_of(name, options), x, y), expected, rtol=1e-9)
    value = framework(function_of(name, options), *tables(more, np.float32))
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=2e-5)


@every_case
def test_gradient_is_the_slope(differentiable, name, options, more):
    tensors, function = tables(more), function_of(name, options)
    _, gradients = differentiable.value_and_gradients(function, *tensors)
    for i, gradient in enumerate(gradients):
        direction = np.random.default_rng(1).normal(size=tensors[i].shape)
        up = [x + 1e-6 * direction if k == i else x for k, x in enumerate(tensors)]
        down = [x - 1e-6 * direction if k == i else x for k, x in enumerate(tensors)]
        slope = (float(function(*up)) - float(function(*down))) / 2e-6
        np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=2e-6, atol=1e-8)


@every_loss
def test_compiled_code_gives_the_eager_value_and_gradient(compiled, name, options, more):
    function, tensors = function_of(name, options), tables(more)
    value, gradients = compiled.value_and_gradients(function, *tensors)
    expected, slopes = type(compiled)(compiled.name).value_and_gradients(function, *tensors)
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    for a, b in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@every_loss
@pytest.mark.parametrize("kind", ["one row", "all rows equal", "equal views"])
def test_degenerate_batches_are_finite(differentiable, name, options, more, kind):
    x, y = tables(0, np.float32, rows=1 if kind == "one row" else 6)
    if kind == "all rows equal":
        x, y = x * 0 + 1, y * 0 + 1
    if kind == "equal views":
        y = x
    value, gradients = differentiable.value_and_gradients(function_of(name, options), x, y)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("name", ["vicreg", "barlow_twins", "multiple_negatives_ranking"])
def test_no_rows_give_zero(differentiable, name):
    value, gradients = differentiable.value_and_gradients(function_of(name, {}), *tables(rows=0))
    assert value == 0
    assert not any(g.any() for g in gradients)


@every_loss
def test_value_does_not_depend_on_the_order(framework, name, options, more):
    x, y = tables(more)
    order = np.array([3, 0, 5, 1, 4, 2])
    function = function_of(name, options)
    value = framework(function, x[order], np.concatenate([y[order], y[6:]]))
    np.testing.assert_allclose(value, framework(function, x, y), rtol=1e-10)


@every_loss
def test_nan_is_told(framework, name, options, more):
    x, y = tables(more, np.float32)
    y[-1, 0] = np.nan
    assert np.isnan(framework(function_of(name, options), x, y))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_ranking_in_blocks_gives_the_dense_value_and_gradient(differentiable, reduction):
    options, tensors = {"symmetric": True, "reduction": reduction}, tables(3)
    dense, slopes = differentiable.value_and_gradients(
        function_of("multiple_negatives_ranking", options, block=None), *tensors
    )
    blocked, gradients = differentiable.value_and_gradients(
        function_of("multiple_negatives_ranking", options, block=4), *tensors
    )
    np.testing.assert_allclose(blocked, dense, rtol=1e-10)
    for a, b in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_the_scale_of_ranking_is_learnable(differentiable):
    x, y = tables(3)

    def function(x, y, scale):
        return losses.multiple_negatives_ranking_loss(x, y, scale=scale, symmetric=True)

    _, (_, _, gradient) = differentiable.value_and_gradients(function, x, y, np.array(4.0))
    up, down = (two_views.multiple_negatives_ranking(x, y, 4.0 + t, True) for t in (1e-6, -1e-6))
    slope = (up - down) / 2e-6
    np.testing.assert_allclose(gradient, slope, rtol=1e-6)


def test_two_views_run_through_a_loss_of_labels(framework):
    x, y = tables()
    stacked = np.concatenate([x, y])

    def through_pairs(rows):
        return losses.nt_xent_loss(rows, pairs.from_views(6, rows))

    as_labels = framework(losses.nt_xent_loss, stacked, np.tile(np.arange(6), 2))
    np.testing.assert_allclose(framework(through_pairs, stacked), as_labels, rtol=1e-12)


def test_ranking_is_nt_xent_with_documents_as_references(framework):
    x, y = tables(3)

    def nt_xent(x, y):
        xp_rows, xp_columns = np.arange(6, dtype=np.int32), np.arange(9, dtype=np.int32)
        return losses.nt_xent_loss(
            x,
            framework.tensor(xp_rows),
            temperature=0.05,
            references=y,
            reference_labels=framework.tensor(xp_columns),
        )

    expected = framework(nt_xent, x, y)
    np.testing.assert_allclose(framework(losses.multiple_negatives_ranking_loss, x, y), expected, rtol=1e-12)


def test_wrong_tables_are_refused():
    x, y = tables(3)
    with pytest.raises(ValueError, match="9 queries came with 6 documents"):
        losses.multiple_negatives_ranking_loss(y, x)
    with pytest.raises(ValueError, match="expected one row per sample"):
        losses.multiple_negatives_ranking_loss(x[0], y)
    with pytest.raises(ValueError, match="expected the same"):
        losses.vicreg_loss(x, y)
