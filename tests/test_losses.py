"""What holds for every loss of the catalogue: the paper's value, the slope, blocks, compiled code, degenerate batches."""

import inspect

import numpy as np
import pytest
from reference import all_cases

from nearfar import losses

CASES = all_cases()
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4], np.int32)  # 4 has no positive
SIZE, CLASSES = 5, 5


def batch(case, dtype=np.float64, labels=LABELS, seed=0):
    """Embeddings and the learnable tensors of a case, always of the same shapes."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(len(labels), SIZE))
    if case.normalised:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(dtype), [
        draw(generator, CLASSES, SIZE).astype(dtype) for draw in case.parameters.values()
    ]


def function_of(case, **more):
    """The case's loss as a function of tensors only: `f(embeddings, labels, *parameters)`."""
    loss, names = getattr(losses, case.loss), list(case.parameters)

    def function(x, labels, *parameters):
        return loss(x, labels, **dict(zip(names, parameters, strict=True)), **case.options, **more)

    return function


def first_of_each(cases):
    """One case per loss, for what is slow."""
    return list({case.loss: case for case in reversed(cases)}.values())


every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
every_loss = pytest.mark.parametrize("case", first_of_each(CASES), ids=lambda c: c.loss)


@every_case
def test_value_is_the_papers(framework, case):
    x, parameters = batch(case)
    expected = case.loop(x, LABELS, *parameters, **case.options)
    np.testing.assert_allclose(framework(function_of(case), x, LABELS, *parameters), expected, rtol=1e-9)
    x, parameters = batch(case, np.float32)
    np.testing.assert_allclose(framework(function_of(case), x, LABELS, *parameters), expected, rtol=2e-5)


@pytest.mark.parametrize("case", [c for c in CASES if c.slope], ids=lambda c: c.id)
def test_gradient_is_the_slope(differentiable, case):
    x, parameters = batch(case)
    function = function_of(case)
    _, gradients = differentiable.value_and_gradients(function, x, LABELS, *parameters)
    for i, (at, gradient) in enumerate(zip([x, *parameters], gradients, strict=True)):
        direction = np.random.default_rng(1).normal(size=at.shape)

        def along(t, i=i, direction=direction):
            moved = [y + t * direction if k == i else y for k, y in enumerate([x, *parameters])]
            return float(function(moved[0], LABELS, *moved[1:]))

        slope = (along(1e-6) - along(-1e-6)) / 2e-6
        np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("case", [c for c in first_of_each(CASES) if c.blocks], ids=lambda c: c.loss)
@pytest.mark.parametrize("reduction", ["mean", "active_mean", "sum"])
def test_blocks_give_the_dense_value_and_gradient(differentiable, case, reduction):
    x, parameters = batch(case)
    dense, of_dense = differentiable.value_and_gradients(
        function_of(case, reduction=reduction, block=None), x, LABELS, *parameters
    )
    blocked, of_blocked = differentiable.value_and_gradients(
        function_of(case, reduction=reduction, block=5), x, LABELS, *parameters
    )
    np.testing.assert_allclose(blocked, dense, rtol=1e-10)
    for a, b in zip(of_blocked, of_dense, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@every_loss
def test_compiled_code_gives_the_eager_value_and_gradient(compiled, case):
    x, parameters = batch(case)
    function = function_of(case)
    value, gradients = compiled.value_and_gradients(function, x, LABELS, *parameters)
    expected, slopes = type(compiled)(compiled.name).value_and_gradients(function, x, LABELS, *parameters)
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    for a, b in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@every_loss
@pytest.mark.parametrize("kind", ["no positives", "no negatives", "all rows equal", "one row"])
def test_degenerate_batches_are_finite(differentiable, case, kind):
    labels = {"no positives": np.arange(12), "no negatives": np.zeros(12), "one row": np.zeros(1)}.get(
        kind, LABELS
    )
    labels = (labels % CLASSES if case.parameters else labels).astype(np.int32)
    x, parameters = batch(case, np.float32, labels)
    if kind == "all rows equal":
        x = np.repeat(x[:1], len(x), axis=0)
    value, gradients = differentiable.value_and_gradients(function_of(case), x, labels, *parameters)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)
    if kind in ("no positives", "one row") and case.invalid_is_zero and "contrastive" not in case.loss:
        assert value == 0
        assert not any(g.any() for g in gradients)


@every_loss
def test_value_does_not_depend_on_the_order(framework, case):
    if not case.permutable:
        pytest.skip("its definition uses the order of the batch")
    x, parameters = batch(case)
    order = np.random.default_rng(3).permutation(len(x))
    value = framework(function_of(case), x, LABELS, *parameters)
    np.testing.assert_allclose(
        framework(function_of(case), x[order], LABELS[order], *parameters), value, rtol=1e-10
    )


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(framework, case, dtype):
    if framework.name == "numpy" and dtype == "bfloat16":
        pytest.skip("NumPy has no bfloat16")
    x, parameters = batch(case, np.float32)
    x = (x * 8).round() / 8  # exact in both
    function = function_of(case)

    def half(x, labels, *parameters):
        if framework.name == "torch":
            import torch

            return function(x.to(getattr(torch, dtype)), labels, *parameters)
        if framework.name == "tensorflow":
            import tensorflow as tf

            return function(tf.cast(x, dtype), labels, *parameters)
        return function(x.astype(dtype), labels, *parameters)

    value = framework(half, x, LABELS, *parameters)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, framework(function, x, LABELS, *parameters), rtol=1e-6)


@every_loss
def test_nan_is_told(framework, case):
    x, parameters = batch(case, np.float32)
    x[3, 1] = np.nan
    assert np.isnan(framework(function_of(case), x, LABELS, *parameters))


@every_loss
def test_labels_may_have_two_axes_and_64_bits(framework, case):
    x, parameters = batch(case)
    value = framework(function_of(case), x, LABELS, *parameters)
    np.testing.assert_allclose(
        framework(function_of(case), x, LABELS[:, None], *parameters), value, rtol=1e-12
    )
    if not case.parameters:  # classes of proxies are numbered from 0
        huge = LABELS.astype(np.int64) + 2**53  # neighbours collide in float64
        np.testing.assert_allclose(framework(function_of(case), x, huge, *parameters), value, rtol=1e-12)


def test_every_loss_has_cases_and_documentation():
    explicit = {  # no labels: test_explicit.py, test_two_views.py
        "triplet_margin_loss",
        "pair_contrastive_loss",
        "multiple_negatives_ranking_loss",
        "vicreg_loss",
        "barlow_twins_loss",
    }
    assert set(losses.__all__) - explicit - {c.loss for c in CASES} == set()
    for name in losses.__all__:
        doc = inspect.getdoc(getattr(losses, name))
        assert doc is not None
        assert all(section in doc for section in ("Args:", "Returns:", "Example:", "References:")), name
