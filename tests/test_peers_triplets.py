"""Triplet and contrastive losses beside pytorch-metric-learning 2.9 and sentence-transformers, gradients included."""

import numpy as np
import pytest
from test_peers_pairs import batch, explicit, ours, same, theirs

from nearfar import losses
from nearfar.compat import moindrot

torch = pytest.importorskip("torch")
ALONE = np.array([0, 0, 0, 1, 1, 2, 3, 4, 4, 4, 4, 5])  # three classes have one sample


def test_all_triplets():
    x, labels = batch()
    own = ours("triplet_loss", unit=True, mining="all", margin=0.3)
    same(own, theirs("TripletMarginLoss", margin=0.3), x, labels)


def test_all_triplets_that_are_active():
    x, labels = batch()
    own = ours("triplet_loss", unit=True, mining="all", margin=0.3, reduction="active_mean")
    same(own, theirs("TripletMarginLoss", "AvgNonZeroReducer", margin=0.3), x, labels)


def test_swapped_triplets():
    x, labels = batch()
    own = ours("triplet_loss", unit=True, mining="all", margin=0.3, swap=True)
    same(own, theirs("TripletMarginLoss", margin=0.3, swap=True), x, labels)


def test_soft_triplets():
    # the peer adds its margin inside the softplus, which the paper of the soft margin leaves out
    x, labels = batch()
    own = ours("triplet_loss", unit=True, mining="all", soft=True)
    same(own, theirs("TripletMarginLoss", margin=0.0, smooth_loss=True), x, labels)


@pytest.mark.parametrize(
    ("peer", "method", "options"),
    [
        ("BatchAllTripletLoss", "batch_all_triplet_loss", {"mining": "all", "reduction": "active_mean"}),
        ("BatchSemiHardTripletLoss", "batch_semi_hard_triplet_loss", {"mining": "semihard"}),
        ("BatchHardTripletLoss", "batch_hard_triplet_loss", {"mining": "hard"}),
        (
            "BatchHardSoftMarginTripletLoss",
            "batch_hard_triplet_soft_margin_loss",
            {"mining": "hard", "soft": True},
        ),
    ],
)
def test_mined_triplets_of_sentence_transformers(peer, method, options):
    peers = pytest.importorskip("sentence_transformers.losses")
    x, labels = batch()
    margin = {} if options.get("soft") else {"margin": 0.3}
    loss = getattr(peers, peer)(None, **margin)
    same(
        ours("triplet_loss", **margin, **options),
        lambda x, labels: getattr(loss, method)(labels, x),
        x,
        labels,
        rtol=1e-5,
        atol=1e-7,
    )


@pytest.mark.parametrize(
    ("reduction", "reducer"), [("mean", "MeanReducer"), ("active_mean", "AvgNonZeroReducer")]
)
def test_contrastive(reduction, reducer):
    # the peer does not square
    x, labels = batch()
    margins = {"positive_margin": 0.2, "negative_margin": 1.3}
    own = ours("contrastive_loss", unit=True, squared=False, reduction=reduction, **margins)
    same(own, theirs("ContrastiveLoss", reducer, pos_margin=0.2, neg_margin=1.3), x, labels)


@pytest.mark.parametrize(
    ("name", "peer", "options"),
    [("supcon_loss", "SupConLoss", {}), ("circle_loss", "CircleLoss", {"m": 0.4})],
)
def test_default_reducers_are_active_means(name, peer, options):
    x, labels = batch(ALONE)
    same(ours(name, reduction="active_mean"), theirs(peer, None, **options), x, labels)


@pytest.mark.parametrize(
    ("mining", "miner", "options"),
    [
        ("hard", "BatchHardMiner", {}),
        ("semihard_within_margin", "TripletMarginMiner", {"margin": 0.3, "type_of_triplets": "semihard"}),
    ],
)
def test_miners(mining, miner, options):
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    x, labels = batch(ALONE)
    mine, loss = getattr(miners, miner)(**options), theirs("TripletMarginLoss", None, margin=0.3)
    own = ours("triplet_loss", unit=True, mining=mining, margin=0.3, reduction="active_mean")
    same(own, lambda x, y: loss(x, y, mine(x, y)), x, labels)


def test_references():
    x, labels = batch()
    others, classes = map(torch.as_tensor, batch(ALONE, seed=1))
    own = ours("triplet_loss", unit=True, mining="all", references=others, reference_labels=classes)
    peer = theirs("TripletMarginLoss", margin=0.2)
    same(own, lambda x, y: peer(x, y, ref_emb=others, ref_labels=classes), x, labels)


def test_one_positive_and_one_negative_pair_count():
    # a bug of version 2.9: one index is taken for none
    x, others = torch.eye(2)[:1], torch.eye(2)
    labels, classes = torch.tensor([1]), torch.tensor([0, 1])
    loss = losses.contrastive_loss(x, labels, references=others, reference_labels=classes, squared=False)
    assert loss.item() == pytest.approx(2**0.5 + 1)  # the positive is at a right angle, the negative equal
    assert not theirs("ContrastiveLoss")(x, labels, ref_emb=others, ref_labels=classes)


def test_batch_hard_of_sentence_transformers_where_anchors_lack_a_positive():
    peers = pytest.importorskip("sentence_transformers.losses")
    loss = peers.BatchHardTripletLoss(None, margin=0.3)
    x, labels = batch(ALONE)
    same(
        lambda x, y: moindrot.batch_hard_triplet_loss(y, x, 0.3),
        lambda x, y: loss.batch_hard_triplet_loss(y, x),
        x,
        labels,
        rtol=1e-5,
        atol=1e-7,
    )


SAME = torch.arange(16) % 3 == 0
EXPLICIT = {
    "ContrastiveLoss": lambda x, y, _: losses.pair_contrastive_loss(
        x, y, SAME, margin=0.5, distance="cosine"
    ),
    "TripletLoss": lambda x, y, z: losses.triplet_margin_loss(x, y, z, margin=5.0, distance="euclidean"),
    "MultipleNegativesSymmetricRankingLoss": lambda x, y, z: losses.multiple_negatives_ranking_loss(
        x, torch.cat([y, z]), symmetric=True
    ),
}


@pytest.mark.parametrize("name", EXPLICIT)
def test_explicit_tuples_of_sentence_transformers(name):
    peers = pytest.importorskip("sentence_transformers.losses")
    (x, y), (z, _) = explicit(), explicit(seed=1)
    columns = [x, y] if name == "ContrastiveLoss" else [x, y, z]
    peer = getattr(peers, name)(lambda features: {"sentence_embedding": features})
    expected, value = peer(columns, SAME.long()), EXPLICIT[name](x, y, z)
    torch.testing.assert_close(value, expected, rtol=1e-7, atol=0)
    slopes = [torch.autograd.grad(found, x)[0] for found in (value, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-6, atol=1e-9)
