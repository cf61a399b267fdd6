"""Sums of losses, on whole embeddings and on some columns; regularisers."""

import numpy as np
import pytest

from nearfar import combine, losses, regularizers
from nearfar.combine import Part

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(9, 6))
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3], np.int32)
PROXIES = GENERATOR.normal(size=(4, 6))
CENTRES = GENERATOR.normal(size=(4, 3, 6))


def test_a_sum_is_the_weighted_sum_of_its_parts(framework):
    parts = [
        Part(losses.triplet_loss, 0.5, options={"mining": "all", "margin": 1.0}),
        Part(losses.supcon_loss, 2.0),
        losses.nca_loss,
    ]
    expected = (
        0.5 * losses.triplet_loss(X, LABELS, mining="all", margin=1.0)
        + 2.0 * losses.supcon_loss(X, LABELS)
        + losses.nca_loss(X, LABELS)
    )
    value = framework(lambda x, labels: combine.combined_loss(parts, x, labels), X, LABELS)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_parts_see_their_columns_alone(differentiable):
    parts = [Part(losses.supcon_loss, columns=slice(0, 2)), Part(losses.nca_loss, 3.0, columns=slice(4, 6))]
    value, (gradient,) = differentiable.value_and_gradients(
        lambda x, labels: combine.combined_loss(parts, x, labels), X, LABELS
    )
    expected = losses.supcon_loss(X[:, :2], LABELS) + 3.0 * losses.nca_loss(X[:, 4:], LABELS)
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    assert gradient[:, [0, 1, 4, 5]].all()
    assert not gradient[:, [2, 3]].any()


@pytest.mark.parametrize(
    ("name", "proxies"),
    [("arcface_loss", PROXIES), ("proxy_anchor_loss", PROXIES), ("soft_triple_loss", CENTRES)],
)
def test_nested_dimensions_cut_the_proxies_too(framework, name, proxies):
    loss = getattr(losses, name)
    parts = combine.matryoshka(loss, [2, 6], weights=[0.25, 1.0])
    value = framework(lambda x, y, p: combine.combined_loss(parts, x, y, proxies=p), X, LABELS, proxies)
    expected = 0.25 * loss(X[:, :2], LABELS, proxies=proxies[..., :2]) + loss(X, LABELS, proxies=proxies)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_two_views_and_references_are_cut_too():
    parts = combine.matryoshka(losses.vicreg_loss, [2, 6])
    expected = losses.vicreg_loss(X[:, :2], X[::-1, :2]) + losses.vicreg_loss(X, X[::-1])
    np.testing.assert_allclose(combine.combined_loss(parts, X, X[::-1]), expected)
    parts = combine.matryoshka(losses.supcon_loss, [3], temperature=0.5)
    value = combine.combined_loss(parts, X[:3], LABELS[:3], references=X, reference_labels=LABELS)
    expected = losses.supcon_loss(
        X[:3, :3], LABELS[:3], references=X[:, :3], reference_labels=LABELS, temperature=0.5
    )
    np.testing.assert_allclose(value, expected)


def test_a_sum_compiles(compiled):
    parts = combine.matryoshka(losses.supcon_loss, [2, 6])
    value = compiled(lambda x, labels: combine.combined_loss(parts, x, labels), X, LABELS)
    np.testing.assert_allclose(value, combine.combined_loss(parts, X, LABELS), rtol=1e-9)


def test_partners_are_of_the_same_class_and_each_taken_once(framework):
    labels = np.random.default_rng(1).integers(0, 5, 40).astype(np.int32)
    found = framework(combine.partners, labels[:, None])
    np.testing.assert_array_equal(labels[found], labels)
    np.testing.assert_array_equal(np.sort(found), np.arange(40))
    counts = np.bincount(labels)[labels]
    np.testing.assert_array_equal(found == np.arange(40), counts == 1)


def test_wrong_parts_are_refused():
    with pytest.raises(ValueError, match="parts is empty"):
        combine.combined_loss([], X, LABELS)
    with pytest.raises(ValueError, match=r"columns 0 ... 8 were asked of rows of 6"):
        combine.combined_loss(combine.matryoshka(losses.supcon_loss, [8]), X, LABELS)
    with pytest.raises(ValueError, match="positive whole numbers"):
        combine.matryoshka(losses.supcon_loss, [0, 4])
    with pytest.raises(ValueError, match="1 weights came with 2 dimensions"):
        combine.matryoshka(losses.supcon_loss, [2, 4], weights=[1.0])


def lp_loop(x, p=2.0, power=1.0):
    return np.mean([np.linalg.norm(row, p) ** power for row in x])


def center_invariant_loop(w):
    squares = [row @ row for row in w]
    return sum((s - sum(squares) / len(w)) ** 2 for s in squares) / 4 / len(w)


def regular_face_loop(w):
    unit = [row / np.linalg.norm(row) for row in w]
    return np.mean([max(unit[i] @ unit[j] for j in range(len(w)) if j != i) for i in range(len(w))])


def sparse_centers_loop(w):
    classes, k, _ = w.shape
    total = 0.0
    for c in range(classes):
        for s in range(k):
            for t in range(s):
                cosine = w[c, s] @ w[c, t] / np.linalg.norm(w[c, s]) / np.linalg.norm(w[c, t])
                total += np.sqrt(2 - 2 * cosine)
    return total / (classes * k * (k - 1))


REGULARIZERS = [
    ("lp", {}, X, lp_loop),
    ("lp", {"power": 2.0}, X, lp_loop),
    ("lp", {"p": 1.0}, X, lp_loop),
    ("lp", {"p": 3.0, "power": 2.0}, X, lp_loop),
    ("lp", {"p": np.inf}, X, lp_loop),
    ("zero_mean", {}, X, lambda x: np.mean([abs(sum(row)) for row in x])),
    ("center_invariant", {}, PROXIES, center_invariant_loop),
    ("regular_face", {}, PROXIES, regular_face_loop),
    ("sparse_centers", {}, CENTRES, sparse_centers_loop),
]


@pytest.mark.parametrize(("name", "options", "x", "loop"), REGULARIZERS)
def test_regularizers_are_the_papers(framework, name, options, x, loop):
    value = framework(lambda x: getattr(regularizers, name)(x, **options), x)
    np.testing.assert_allclose(value, loop(x, **options), rtol=1e-9)


@pytest.mark.parametrize(("name", "options", "x", "loop"), REGULARIZERS)
def test_regularizers_have_the_slope_and_stay_finite(differentiable, name, options, x, loop):
    def function(x):
        return getattr(regularizers, name)(x, **options)

    _, (gradient,) = differentiable.value_and_gradients(function, x)
    direction = np.random.default_rng(1).normal(size=x.shape)
    slope = (loop(x + 1e-6 * direction, **options) - loop(x - 1e-6 * direction, **options)) / 2e-6
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-5)
    for still in (np.zeros_like(x), np.ones_like(x), x[:1]):
        value, (gradient,) = differentiable.value_and_gradients(function, still)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_regularizers_equal_pytorch_metric_learnings():
    torch = pytest.importorskip("torch")
    peers = pytest.importorskip("pytorch_metric_learning.regularizers")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    rows, centres = torch.as_tensor(PROXIES), torch.as_tensor(CENTRES)
    for peer, value in [
        (peers.LpRegularizer(p=3, power=2)(rows), regularizers.lp(rows, p=3, power=2)),
        (peers.ZeroMeanRegularizer()(rows), regularizers.zero_mean(rows)),
        (peers.CenterInvariantRegularizer()(rows), regularizers.center_invariant(rows)),
        (
            peers.RegularFaceRegularizer(distance=distances.CosineSimilarity())(rows),
            regularizers.regular_face(rows),
        ),
        (
            peers.SparseCentersRegularizer(num_classes=4, centers_per_class=3)(centres.reshape(-1, 6)),
            regularizers.sparse_centers(centres),
        ),
    ]:
        torch.testing.assert_close(value, peer, rtol=1e-7, atol=0)


def test_regularizers_refuse_other_shapes():
    with pytest.raises(ValueError, match="expected rows"):
        regularizers.zero_mean(CENTRES)
    with pytest.raises(ValueError, match=r"expected \(classes, centres, d\)"):
        regularizers.sparse_centers(PROXIES)
    with pytest.raises(ValueError, match="expected p of at least 1"):
        regularizers.lp(X, p=0.5)
