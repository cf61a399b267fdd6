"""Parity with pytorch-metric-learning 2.9 and sentence-transformers where they are right, gradients included.

A peer's known bug is a reason to leave a case out, never to copy it: the reason stands beside the case.
"""

import numpy as np
import pytest

from nearfar import losses, pair_mining
from nearfar.distances import pairwise
from nearfar.losses.cosent import pair_cosent_loss
from nearfar.pairs import Pairs, from_labels

torch = pytest.importorskip("torch")
LABELS = np.repeat(np.arange(6), 4)


def batch(labels=LABELS, size=8, seed=0):
    x = np.random.default_rng(seed).normal(size=(len(labels), size))
    return x / np.linalg.norm(x, axis=1, keepdims=True), np.asarray(labels)


def value_and_gradient(function, x, *rest):
    x = torch.tensor(x, requires_grad=True)
    value = function(x, *[torch.as_tensor(y) for y in rest])
    value.backward()
    return value.detach().numpy(), x.grad.numpy()


def same(ours, theirs, x, *rest, rtol=1e-7, atol=1e-9):
    value, gradient = value_and_gradient(ours, x, *rest)
    expected, slope = value_and_gradient(theirs, x, *rest)
    assert np.abs(slope).max() > 1e-6, "a peer without a gradient shows nothing"
    np.testing.assert_allclose(value, expected, rtol=rtol)
    np.testing.assert_allclose(gradient, slope, rtol=rtol, atol=atol)


def ours(name, unit=False, **options):
    """`unit`: rows are normalised first, as the peer does for Euclidean distances."""
    normal = torch.nn.functional.normalize if unit else lambda x: x
    return lambda x, labels: getattr(losses, name)(normal(x), labels, **options)


def normalised(peer):
    return lambda x, labels: peer(torch.nn.functional.normalize(x), labels)


def theirs(name, reducer="MeanReducer", **options):
    pml = pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning import losses as peers
    from pytorch_metric_learning import reducers

    assert pml.__version__ >= "2.9"
    return getattr(peers, name)(**options, **({"reducer": getattr(reducers, reducer)()} if reducer else {}))


def test_multi_similarity():
    x, labels = batch()
    same(ours("multi_similarity_loss", mining=None), theirs("MultiSimilarityLoss"), x, labels)


def test_multi_similarity_with_the_papers_mining():
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    x, labels = batch()
    loss, miner = theirs("MultiSimilarityLoss", beta=40), miners.MultiSimilarityMiner(epsilon=0.1)
    same(ours("multi_similarity_loss", beta=40.0), lambda x, y: loss(x, y, miner(x, y)), x, labels)


def test_circle():
    x, labels = batch()
    same(ours("circle_loss"), theirs("CircleLoss"), x, labels)


def test_circle_slope_is_that_of_constant_paces():
    from reference.similarity import circle, distances

    x, labels = batch(LABELS[:12])
    _, gradient = value_and_gradient(ours("circle_loss", gamma=8.0), x, labels)
    direction = np.random.default_rng(1).normal(size=x.shape)
    paces = 1 - distances(x, x, "cosine")
    up, down = (circle(x + t * direction, labels, gamma=8.0, paces=paces) for t in (1e-5, -1e-5))
    np.testing.assert_allclose((gradient * direction).sum(), (up - down) / 2e-5, rtol=1e-6)


MINERS = {  # the peer's name and options, our options, the distance
    "multi_similarity": ("MultiSimilarityMiner", {}, {}, "cosine"),
    "pair_margin": (
        "PairMarginMiner",
        {"pos_margin": 1.3, "neg_margin": 1.1},
        {"positive_margin": 1.3, "negative_margin": 1.1},
        "euclidean",
    ),
    "hardest_fraction": ("HDCMiner", {"filter_percentage": 0.3}, {"fraction": 0.3}, "euclidean"),
    "angular": ("AngularMiner", {"angle": 40}, {"angle": 40.0}, "euclidean"),
}


@pytest.mark.parametrize("name", MINERS)
def test_pair_minings_keep_the_peers_pairs(framework, name):
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    peer, options, own_options, distance = MINERS[name]
    x, labels = batch()
    found = getattr(miners, peer)(**options)(torch.as_tensor(x), torch.as_tensor(labels))
    if len(found) == 3:
        found = found[0], found[1], found[0], found[2]
    expected = np.zeros((2, len(x), len(x)), bool)
    expected[0, found[0], found[1]] = expected[1, found[2], found[3]] = True
    assert 0 < expected[0].sum() < 72
    assert 0 < expected[1].sum() < 480

    def mined(x, labels):
        return tuple(getattr(pair_mining, name)(pairwise(x, x, distance), from_labels(labels), **own_options))

    positive, negative = framework(mined, x, labels)
    np.testing.assert_array_equal(positive, expected[0])
    np.testing.assert_array_equal(negative, expected[1])


def test_uniform_histogram_takes_as_many_pairs_of_each_bin(framework):
    x, labels = batch(np.repeat(np.arange(3), 12))

    def mined(x, labels):
        pairs = from_labels(labels)
        d = pairwise(x, x)
        options = {"num_bins": 7, "positives_per_bin": 30, "negatives_per_bin": 100}
        return d, *pairs, *pair_mining.uniform_histogram(d, pairs, **options)

    d, positive, negative, kept_positive, kept_negative = framework(mined, x, labels)
    for every, kept, wanted in ((positive, kept_positive, 30), (negative, kept_negative, 100)):
        assert not (kept & ~every).any()
        edges = np.linspace(d[every].min(), d[every].max(), 8)
        counts = np.histogram(d[every], edges)[0]
        assert counts.min() < wanted < counts.max()
        np.testing.assert_array_equal(np.histogram(d[kept], edges)[0], np.minimum(counts, wanted))


def test_margin():
    # the peer sums over triplets: with classes of one size the same as the two means over pairs
    x, labels = batch()
    beta = 1.25  # exact in float32, in which the peer holds it
    same(ours("margin_loss", unit=True, beta=beta), theirs("MarginLoss", beta=beta), x, labels)


def test_margin_learns_one_boundary_per_class():
    x, labels = batch(np.tile(np.arange(6), 4))
    peer = theirs("MarginLoss", learn_beta=True, num_classes=6, beta=1.1)
    value, _ = value_and_gradient(peer, x, labels)
    beta = torch.full((6,), 1.1, dtype=torch.float64, requires_grad=True)
    loss = losses.margin_loss(torch.as_tensor(x), torch.as_tensor(labels), beta=beta)
    loss.backward()
    np.testing.assert_allclose(loss.item(), value, rtol=1e-6)
    np.testing.assert_allclose(beta.grad, peer.beta.grad, rtol=1e-5)


def test_threshold_consistent_margin():
    # without references: the peer ignores them
    x, labels = batch(size=4)
    same(ours("threshold_consistent_margin_loss"), theirs("ThresholdConsistentMarginLoss"), x, labels)


def test_lifted_structure():
    x, labels = batch()
    same(ours("lifted_structure_loss", unit=True), theirs("LiftedStructureLoss"), x, labels)


def test_generalized_lifted_structure():
    x, labels = batch()
    peer = theirs("GeneralizedLiftedStructureLoss")
    same(ours("generalized_lifted_structure_loss", unit=True), peer, x, labels)


def test_n_pairs():
    # two of each class, as the peer's choice of one pair a class needs; its anchors come first
    x, labels = batch(np.tile(np.arange(8), 2))
    peer = theirs("NPairsLoss")

    def of_pairs(x, labels):
        x = torch.nn.functional.normalize(x)  # as the peer does
        return losses.n_pairs_loss(x[:8], labels[:8], references=x[8:], reference_labels=labels[8:])

    same(of_pairs, peer, x, labels)


def test_tuplet_margin():
    # without equal rows: there the peer's arccos gives NaN
    x, labels = batch()
    same(ours("tuplet_margin_loss"), theirs("TupletMarginLoss", margin=np.degrees(0.1)), x, labels)


def test_angular():
    # on normalised rows: the peer leaves the negatives as they are
    x, labels = batch()
    same(ours("angular_loss"), normalised(theirs("AngularLoss", alpha=45)), x, labels, rtol=1e-6)


def test_ranked_list():
    # in value: the peer lets the gradient through the weights, which the authors' code holds constant; it also
    # adds 1e-5 to the sum of the weights for each pair
    x, labels = batch()
    peer = theirs("RankedListLoss", margin=0.4, Tn=10)
    found, _ = value_and_gradient(ours("ranked_list_loss"), x, labels)
    np.testing.assert_allclose(found, value_and_gradient(peer, x, labels)[0], rtol=1e-3)


def test_signal_to_noise_contrastive():
    x, labels = batch()
    peer = theirs("SignalToNoiseRatioContrastiveLoss", pos_margin=0.1, neg_margin=2.0)
    own = ours("signal_to_noise_contrastive_loss", unit=True, positive_margin=0.1, negative_margin=2.0)
    same(own, peer, x, labels)


def test_intra_pair_variance():
    x, labels = batch()
    same(ours("intra_pair_variance_loss"), theirs("IntraPairVarianceLoss"), x, labels)


@pytest.mark.parametrize("num_bins", [16, 100])
def test_histogram(num_bins):
    # without equal rows: there the peer's index leaves its table; it finds the bins in float32
    x, labels = batch()
    peer = theirs("HistogramLoss", n_bins=num_bins, reducer=None)
    same(ours("histogram_loss", num_bins=num_bins), peer, x, labels, rtol=1e-5, atol=1e-6)


def test_dynamic_soft_margin_of_matched_pairs():
    # in value: the peer lets the gradient through the distribution; with labels it takes all triplets in place of
    # the paper's nearest negatives, and its index leaves its table where gaps are large
    x, y = batch(size=16)[0], batch(size=16, seed=1)[0]
    y = x + 0.8 * y
    expected = theirs("DynamicSoftMarginLoss", reducer=None)(torch.as_tensor(x), ref_emb=torch.as_tensor(y))
    rows = torch.arange(len(x))
    value = losses.dynamic_soft_margin_loss(
        torch.as_tensor(x), rows, references=torch.as_tensor(y), reference_labels=rows, num_bins=10
    )
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def explicit(seed=0, size=16):
    generator = np.random.default_rng(seed)
    return torch.tensor(generator.normal(size=(size, 6)), requires_grad=True), torch.tensor(
        generator.normal(size=(size, 6))
    )


def test_pair_cosent_of_sentence_transformers():
    peers = pytest.importorskip("sentence_transformers.losses")
    lefts, rights = explicit()
    scores = torch.tensor(np.random.default_rng(1).uniform(size=16).round(1))
    expected = peers.CoSENTLoss(torch.nn.Identity()).compute_loss_from_embeddings([lefts, rights], scores)
    (slope,) = torch.autograd.grad(expected, lefts)
    value = pair_cosent_loss(lefts, rights, scores)
    (gradient,) = torch.autograd.grad(value, lefts)
    np.testing.assert_allclose(value.detach(), expected.detach(), rtol=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-8)


def test_online_contrastive_of_sentence_transformers():
    peers = pytest.importorskip("sentence_transformers.losses")
    lefts, rights = explicit()
    same_class = torch.tensor(np.random.default_rng(1).uniform(size=16) < 0.5)
    peer = peers.OnlineContrastiveLoss(lambda features: {"sentence_embedding": features})
    expected = peer([lefts, rights], same_class.long())
    (slope,) = torch.autograd.grad(expected, lefts)
    diagonal = torch.eye(16, dtype=torch.bool)
    pairs = Pairs(diagonal & same_class[:, None], diagonal & ~same_class[:, None])
    value = losses.online_contrastive_loss(lefts, pairs, references=rights, reduction="sum")
    (gradient,) = torch.autograd.grad(value, lefts)
    np.testing.assert_allclose(value.detach(), expected.detach(), rtol=1e-7)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("num_bins", [10, 17])
def test_fast_ap(num_bins):
    x, labels = batch(np.array([0] * 5 + [1] * 3 + [2] * 8 + [3] * 2))
    same(ours("fast_ap_loss", num_bins=num_bins), theirs("FastAPLoss", num_bins=num_bins), x, labels)


def with_itself(name, **options):
    """The peers rank each anchor among its own positives: the embeddings are the references too."""

    def loss(x, labels):
        return getattr(losses, name)(x, labels, references=x, reference_labels=labels, **options)

    return loss


def test_smooth_ap():
    # four classes of four, in order: the peer's view of the batch is wrong where the classes are not as many as their
    # samples, and where rows are not grouped by class
    x, labels = batch(np.repeat(np.arange(4), 4))
    same(with_itself("smooth_ap_loss"), theirs("SmoothAPLoss"), x, labels, atol=1e-7)


@pytest.mark.parametrize("variant", ["O", "Iu", "Ib", "Ds", "Dq"])
def test_pnp(variant):
    x, labels = batch(np.array([0] * 5 + [1] * 3 + [2] * 8))
    peer = theirs("PNPLoss", reducer=None, variant=variant, alpha=4, anneal=0.05)
    own = with_itself("pnp_loss", variant=variant, temperature=0.05)
    same(own, peer, x, labels, rtol=1e-6, atol=1e-8)
