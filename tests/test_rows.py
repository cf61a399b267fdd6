"""The row engine: blocks, references, parameters, and the counting of triplets by sorting."""

import importlib

import numpy as np
import pytest

from nearfar import losses, pairs, rows, slopes
from nearfar.backends import backend_of
from nearfar.reduction import Terms

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 5))
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4], np.int32)
REFERENCES, REFERENCE_LABELS = RANDOM.normal(size=(9, 5)), np.array([0, 0, 1, 1, 2, 2, 3, 3, 9], np.int32)


def scaled(distances, pairs, scale, own):
    """A row loss with a learnable scale and a tensor of its own for each anchor."""
    xp = backend_of(distances)
    total = xp.sum(scale * own[:, None] * distances * distances, axis=1, where=pairs.positive)
    return Terms(total, xp.count(pairs.positive, total), xp.count(pairs.positive, total))


@pytest.mark.parametrize("block", [None, 5, 12, 1])
def test_gradients_reach_references_and_parameters(differentiable, block):
    scale, own = np.array(1.5), RANDOM.normal(size=12)

    def loss(x, references, scale, own, labels, reference_labels):
        return rows.row_loss(
            scaled,
            x,
            labels,
            distance="squared_euclidean",
            references=references,
            reference_labels=reference_labels,
            parameters=(scale,),
            per_anchor=(own,),
            block=block,
        )

    value, gradients = differentiable.value_and_gradients(
        loss, X, REFERENCES, scale, own, LABELS, REFERENCE_LABELS
    )
    same = LABELS[:, None] == REFERENCE_LABELS[None, :]
    difference = X[:, None, :] - REFERENCES[None, :, :]
    d = (difference**2).sum(axis=2)
    n = same.sum()
    np.testing.assert_allclose(value, (1.5 * own[:, None] * d**2 * same).sum() / n, rtol=1e-10)
    slope = (2 * 1.5 * own[:, None] * d * same / n)[:, :, None] * 2 * difference
    expected = [slope.sum(axis=1), -slope.sum(axis=0), (own[:, None] * d**2 * same).sum() / n]
    expected.append(1.5 * (d**2 * same).sum(axis=1) / n)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mining", ["all", "semihard", "hard", "semihard_within_margin"])
@pytest.mark.parametrize("block", [5, None])
def test_references_give_every_pair(framework, mining, block):
    def loss(x, labels, references, reference_labels):
        return losses.triplet_loss(
            x,
            labels,
            references=references,
            reference_labels=reference_labels,
            mining=mining,
            margin=0.7,
            block=block,
        )

    value = framework(loss, X, LABELS, REFERENCES, REFERENCE_LABELS)
    d = np.sqrt(((X[:, None] - REFERENCES[None]) ** 2).sum(axis=2))
    terms = []
    for a in range(12):
        near, far = d[a, REFERENCE_LABELS == LABELS[a]], d[a, REFERENCE_LABELS != LABELS[a]]
        if mining == "hard" and len(near):
            terms.append(max(0, 0.7 + near.max() - far.min()))
        for p in near if mining != "hard" else []:
            if mining == "semihard":
                beyond = far[far > p]
                terms.append(max(0, 0.7 + p - (beyond.min() if len(beyond) else far.max())))
            else:
                kept = far if mining == "all" else far[(far > p) & (far < p + 0.7)]
                terms += [max(0, 0.7 + p - n) for n in kept]
    np.testing.assert_allclose(value, np.mean(terms), rtol=1e-10)


@pytest.mark.parametrize("mining", ["all", "semihard", "semihard_within_margin"])
@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_sorting_counts_what_passes_count(request, differentiable, mining, mode, monkeypatch):
    def loss(x, labels):
        return losses.triplet_loss(x, labels, mining=mining, margin=0.7)

    runner = type(differentiable)(differentiable.name, compiled=mode == "compiled")
    # ties among positives, among negatives and between the two
    x = np.round(X * 2) / 2
    value, (gradient,) = runner.value_and_gradients(loss, x, LABELS)
    monkeypatch.setattr(slopes, "_MOST_PASSES", 0)
    by_sorting, (gradient_by_sorting,) = runner.value_and_gradients(loss, x, LABELS)
    np.testing.assert_allclose(by_sorting, value, rtol=1e-10)
    if mining == "all":  # equally far negatives may share a slope or one may take it
        np.testing.assert_allclose(gradient_by_sorting, gradient, rtol=1e-9, atol=1e-12)
    value, (gradient,) = runner.value_and_gradients(loss, X, LABELS)
    monkeypatch.setattr(slopes, "_MOST_PASSES", 128)
    expected, (slope,) = runner.value_and_gradients(loss, X, LABELS)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mining", ["all", "semihard", "hard"])
def test_none_gives_each_anchors_mean(differentiable, mining):
    def loss(x, labels, block):
        return losses.triplet_loss(x, labels, mining=mining, margin=0.7, reduction="none", block=block)

    each = differentiable(lambda x, y: loss(x, y, None), X, LABELS)
    assert each.shape == (12,)
    assert each[11] == 0  # no positive
    np.testing.assert_allclose(differentiable(lambda x, y: loss(x, y, 5), X, LABELS), each, rtol=1e-10)
    weights = RANDOM.normal(size=12)

    def weighted(block):
        def value(x, weights, labels):
            out = loss(x, labels, block) * weights
            return backend_of(out).sum(out)

        return value

    value, (gradient, _) = differentiable.value_and_gradients(weighted(None), X, weights, LABELS)
    np.testing.assert_allclose(value, (each * weights).sum(), rtol=1e-9)
    _, (blocked, _) = differentiable.value_and_gradients(weighted(5), X, weights, LABELS)
    np.testing.assert_allclose(blocked, gradient, rtol=1e-9, atol=1e-12)


def test_none_with_swap_has_the_gradient_of_each_anchor(differentiable):
    weights = RANDOM.normal(size=12)

    def value(x, labels):
        each = losses.triplet_loss(x, labels, mining="all", margin=0.7, swap=True, reduction="none")
        return backend_of(each).sum(each * differentiable.tensor(weights))

    def in_numpy(x):
        each = losses.triplet_loss(x, LABELS, mining="all", margin=0.7, swap=True, reduction="none")
        return (each * weights).sum()

    _, (gradient,) = differentiable.value_and_gradients(value, X, LABELS)
    direction = RANDOM.normal(size=X.shape)
    slope = (in_numpy(X + 1e-6 * direction) - in_numpy(X - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-6)


def test_compiled_blocks_give_the_dense_value_and_gradient(compiled):
    def loss(block):
        return lambda x, labels: losses.triplet_loss(x, labels, mining="all", margin=0.7, block=block)

    dense, (slope,) = compiled.value_and_gradients(loss(None), X, LABELS)
    value, (gradient,) = compiled.value_and_gradients(loss(5), X, LABELS)
    np.testing.assert_allclose(value, dense, rtol=1e-10)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("mining", ["all", "semihard"])
def test_inductor_compiles_the_whole_loss(mining):
    torch = pytest.importorskip("torch")
    torch.compiler.reset()

    def loss(x, labels):
        return losses.triplet_loss(x, labels, mining=mining, margin=0.7)

    x, labels = torch.tensor(X, requires_grad=True), torch.tensor(LABELS)
    value = torch.compile(loss, fullgraph=True)(x, labels)
    (gradient,) = torch.autograd.grad(value, x)
    expected = loss(x, labels)
    (slope,) = torch.autograd.grad(expected, x)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, slope)
    torch.compiler.reset()


def test_an_unknown_batch_size_traces_once():
    tf = pytest.importorskip("tensorflow")
    traces = []

    @tf.function(input_signature=[tf.TensorSpec((None, 5), tf.float64), tf.TensorSpec((None,), tf.int32)])
    def value_and_gradient(x, labels):
        traces.append(1)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = losses.triplet_loss(x, labels, mining="all", margin=0.7) + losses.contrastive_loss(
                x, labels, block=5
            )
        return value, tape.gradient(value, x)

    for size in (12, 7, 2):
        value, gradient = value_and_gradient(X[:size], LABELS[:size])
        x, labels = X[:size], LABELS[:size]
        expected = losses.triplet_loss(x, labels, mining="all", margin=0.7) + losses.contrastive_loss(
            x, labels
        )
        np.testing.assert_allclose(value, expected, rtol=1e-10)
        assert gradient.shape == (size, 5)
    assert len(traces) == 1


def test_jax_maps_and_differentiates_over_batches():
    jax = pytest.importorskip("jax")
    batches = RANDOM.normal(size=(3, 12, 5))
    found = jax.vmap(lambda x: losses.triplet_loss(x, LABELS, mining="semihard"))(batches)
    expected = [losses.triplet_loss(x, LABELS, mining="semihard") for x in batches]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("mining", ["all", "semihard", "semihard_within_margin", "distance_weighted"])
@pytest.mark.parametrize("soft", [False, True])
def test_positives_one_by_one_are_those_all_at_once(differentiable, mining, soft, monkeypatch):
    def loss(x, labels):
        x = x / backend_of(x).sqrt(backend_of(x).sum(x * x, axis=1))[:, None]
        return losses.triplet_loss(x, labels, mining=mining, margin=0.3, soft=soft, block=None)

    value, (gradient,) = differentiable.value_and_gradients(loss, X, LABELS)
    monkeypatch.setattr(slopes, "_all_at_once", None)  # small tables would be taken at once
    module = importlib.import_module(f"nearfar.backends._{differentiable.name}")
    monkeypatch.setattr(module, "block_elements", lambda: 1)
    one_by_one, (slope,) = differentiable.value_and_gradients(loss, X, LABELS)
    np.testing.assert_allclose(one_by_one, value, rtol=1e-12)
    np.testing.assert_allclose(slope, gradient, rtol=1e-10, atol=1e-14)


def test_auto_blocks_are_dense_while_small():
    xp = backend_of(X)
    assert rows._block_size(xp, "auto", 12, 12, 1) is None
    size = rows._block_size(xp, "auto", 65536, 65536, 1)
    assert size is not None
    assert size * 65536 <= 2**23
    assert rows._block_size(xp, 5, 4, 100, 1) is None


def test_pairs_take_the_place_of_labels(framework):
    masks = pairs.from_labels(LABELS)
    value = losses.triplet_loss(X, LABELS)
    for block in (None, 5):

        def loss(x, positive, negative, block=block):
            return losses.triplet_loss(x, pairs.Pairs(positive, negative), block=block)

        np.testing.assert_allclose(framework(loss, X, *masks), value, rtol=1e-10)


@pytest.mark.parametrize("loss", [losses.triplet_loss, losses.contrastive_loss])
@pytest.mark.parametrize("block", [None, 5])
def test_a_weight_of_two_is_that_anchor_twice(framework, loss, block):
    times = np.array([1, 2, 0, 1, 3, 1, 1, 2, 1, 0, 1, 1])

    def value(x, labels, weights=None):
        return loss(
            x,
            labels,
            weights=weights,
            references=framework.tensor(REFERENCES),
            reference_labels=framework.tensor(REFERENCE_LABELS),
            block=block,
        )

    expected = framework(value, np.repeat(X, times, axis=0), np.repeat(LABELS, times))
    np.testing.assert_allclose(framework(value, X, LABELS, times.astype(float)), expected, rtol=1e-10)


def test_autocast_does_not_demote():
    torch = pytest.importorskip("torch")
    x, labels = torch.tensor(X, dtype=torch.float32, requires_grad=True), torch.tensor(LABELS)
    for block in (None, 5):
        expected = losses.supcon_loss(x, labels, block=block)
        (slope,) = torch.autograd.grad(expected, x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = losses.supcon_loss(x, labels, block=block)
        (gradient,) = torch.autograd.grad(value, x)
        assert value == expected
        assert torch.equal(gradient, slope)
