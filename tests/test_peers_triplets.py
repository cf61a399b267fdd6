"""Triplet and contrastive losses beside pytorch-metric-learning 2.9 and sentence-transformers, gradients included."""

import pytest
from test_peers_pairs import batch, ours, same, theirs


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
