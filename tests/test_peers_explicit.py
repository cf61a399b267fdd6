"""Losses of explicit pairs, of two towers and of two views beside libraries that have them, gradients included."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from nearfar import losses
from nearfar.pairs import Pairs

torch = pytest.importorskip("torch")
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.normal(size=(2, 12, 5))
SAME = torch.as_tensor(GENERATOR.uniform(size=12) < 0.4)
LABELS = torch.as_tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3])


def assert_same(ours, theirs, *arrays, rtol=1e-9):
    """Equal values and gradients of two functions of the same rows."""
    found = []
    for function in (ours, theirs):
        rows = [torch.tensor(x, requires_grad=True) for x in arrays]
        value = function(*rows)
        found.append((value, *torch.autograd.grad(value, rows)))
    assert all(slope.abs().max() > 1e-6 for slope in found[1][1:]), "a peer without a gradient shows nothing"
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=1e-10)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "manhattan"])
@pytest.mark.parametrize("mean", [True, False])
def test_pair_contrastive_of_sentence_transformers(metric, mean):
    module = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    distance = {
        "cosine": module.SiameseDistanceMetric.COSINE_DISTANCE,
        "euclidean": module.SiameseDistanceMetric.EUCLIDEAN,
        "manhattan": module.SiameseDistanceMetric.MANHATTAN,
    }[metric]
    margin = {"cosine": 1.0, "euclidean": 3.0, "manhattan": 6.0}[metric]
    peer = module.ContrastiveLoss(None, distance_metric=distance, margin=margin, size_average=mean)
    options = {"margin": margin, "distance": metric, "reduction": "mean" if mean else "sum"}
    assert_same(
        lambda x, y: losses.pair_contrastive_loss(x, y, SAME, **options),
        lambda x, y: peer.compute_loss_from_embeddings([x, y], SAME.long()),
        X,
        Y,
        rtol=1e-9 if metric == "cosine" else 1e-4,  # the peer adds 1e-6 to each difference
    )


def test_cosent_of_sentence_transformers_on_all_pairs_of_a_batch():
    module = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    i, j = torch.where(~torch.eye(12, dtype=torch.bool))
    peer = module.CoSENTLoss(None, scale=20.0)
    assert_same(
        lambda x: losses.cosent_loss(x, LABELS),
        lambda x: peer.compute_loss_from_embeddings([x[i], x[j]], LABELS[i] == LABELS[j]),
        X,
    )


def test_cosent_of_sentence_transformers_on_pairs_of_two_tables():
    module = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    diagonal = torch.eye(12, dtype=torch.bool)
    pairs = Pairs(diagonal & SAME[:, None], diagonal & ~SAME[:, None])
    peer = module.CoSENTLoss(None, scale=7.0)
    assert_same(
        lambda x, y: losses.cosent_loss(x, pairs, references=y, scale=7.0),
        lambda x, y: peer.compute_loss_from_embeddings([x, y], SAME),
        X,
        Y,
    )


def test_siglip_of_transformers():
    module = pytest.importorskip("transformers.models.siglip.modeling_siglip")
    forward = module.SiglipModel.forward
    while hasattr(forward, "__wrapped__"):
        forward = forward.__wrapped__

    def theirs(texts, images, scale, bias):
        towers = [lambda rows=x, **_: SimpleNamespace(pooler_output=rows) for x in (texts, images)]
        model = SimpleNamespace(
            text_model=towers[0], vision_model=towers[1], logit_scale=scale, logit_bias=bias
        )
        return forward(model, return_loss=True).loss

    def ours(texts, images, scale, bias):
        others = {"references": images, "reference_labels": torch.arange(12)}
        return losses.siglip_loss(texts, torch.arange(12), scale=scale.exp(), bias=bias, **others)

    assert_same(ours, theirs, X, Y, np.array(math.log(10.0)), np.array(-10.0))


def test_barlow_twins_is_the_authors_on_torchs_batch_norm():
    # facebookresearch/barlowtwins: c = bn(z1).T @ bn(z2) / n, with the diagonal to 1 and the rest to 0
    def theirs(x, y):
        normal = torch.nn.BatchNorm1d(5, eps=1e-20, affine=False).double()
        correlation = normal(x).T @ normal(y) / 12
        on = (torch.diagonal(correlation) - 1).pow(2).sum()
        return on + 0.0051 * (correlation.pow(2).sum() - torch.diagonal(correlation).pow(2).sum())

    assert_same(lambda x, y: losses.barlow_twins_loss(x, y, redundancy=0.0051), theirs, X, Y)


@pytest.mark.parametrize("reducer", ["mean", "active_mean"])
def test_centroid_triplet_is_pytorch_metric_learnings_hinge_on_centroids(reducer):
    peers = pytest.importorskip("pytorch_metric_learning.losses")
    from pytorch_metric_learning import distances, reducers

    peer = peers.TripletMarginLoss(
        margin=0.5,
        distance=distances.LpDistance(normalize_embeddings=False, power=2),
        reducer=reducers.MeanReducer() if reducer == "mean" else reducers.AvgNonZeroReducer(),
    )
    others = (LABELS[:, None] == LABELS) & ~torch.eye(12, dtype=torch.bool)
    a, c = torch.where(torch.arange(4) != LABELS[:, None])

    def theirs(x):
        own = others.double() @ x / others.sum(dim=1, keepdim=True)
        centroids = torch.stack([x[LABELS == c].mean(dim=0) for c in range(4)])
        return peer(x, ref_emb=torch.cat([own, centroids]), indices_tuple=(a, a, 12 + c))

    assert_same(lambda x: losses.centroid_triplet_loss(x, LABELS, margin=0.5, reduction=reducer), theirs, X)
