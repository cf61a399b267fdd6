import itertools
from collections import Counter

import numpy as np
import pytest

from nearfar.samplers import sample_pairs, sample_triplets

LABELS = [
    np.array([0, 0, 1, 1, 1, 2]),
    np.array(list("abcabcaab")),
    np.array([[2**60], [2**60 + 1], [2**60]]),
]


def all_pairs(labels):
    labels = labels.reshape(-1).tolist()
    pairs = list(itertools.combinations(range(len(labels)), 2))
    return {p for p in pairs if labels[p[0]] == labels[p[1]]}, {
        p for p in pairs if labels[p[0]] != labels[p[1]]
    }


def all_triplets(labels):
    labels = labels.reshape(-1).tolist()
    n = range(len(labels))
    return {
        (a, p, k)
        for a in n
        for p in n
        for k in n
        if a != p and labels[a] == labels[p] and labels[a] != labels[k]
    }


@pytest.mark.parametrize("labels", LABELS)
def test_all_pairs_can_be_drawn_each_once(labels):
    positives, negatives = all_pairs(labels)
    total = len(positives) + len(negatives)
    left, right, same = sample_pairs(labels, total, positive_fraction=len(positives) / total)
    drawn = [tuple(sorted(pair)) for pair in zip(left.tolist(), right.tolist(), strict=True)]
    assert {p for p, s in zip(drawn, same, strict=True) if s} == positives
    assert {p for p, s in zip(drawn, same, strict=True) if not s} == negatives
    assert len(set(drawn)) == total and same.dtype == bool


@pytest.mark.parametrize("labels", LABELS)
def test_all_triplets_can_be_drawn_each_once(labels):
    expected = all_triplets(labels)
    drawn = list(zip(*(part.tolist() for part in sample_triplets(labels, len(expected))), strict=True))
    assert len(drawn) == len(expected) and set(drawn) == expected


def test_pairs_are_drawn_evenly():
    labels = LABELS[0]
    positives, negatives = all_pairs(labels)
    counts = Counter()
    for seed in range(4000):
        left, right, same = sample_pairs(labels, 3, positive_fraction=1 / 3, seed=seed)
        assert same.sum() == 1
        counts.update(zip(left.tolist(), right.tolist(), strict=True))
    for pairs, expected in ((positives, 4000 / len(positives)), (negatives, 8000 / len(negatives))):
        for i, j in pairs:
            assert abs(counts[i, j] + counts[j, i] - expected) < 5 * expected**0.5  # five deviations
            assert abs(counts[i, j] - counts[j, i]) < 5 * expected**0.5  # in either order


def test_triplets_are_drawn_evenly():
    expected = all_triplets(LABELS[0])
    counts = Counter()
    for seed in range(4000):
        counts.update(zip(*(part.tolist() for part in sample_triplets(LABELS[0], 3, seed=seed)), strict=True))
    assert set(counts) == expected
    mean = 12000 / len(expected)
    assert max(abs(count - mean) for count in counts.values()) < 5 * mean**0.5


def test_many_pairs_and_triplets_are_valid_and_different():
    labels = np.random.default_rng(0).integers(0, 300, 20_000)
    left, right, same = sample_pairs(labels, 200_000, positive_fraction=0.25)
    assert same.sum() == 50_000 and ((labels[left] == labels[right]) == same).all() and (left != right).all()
    low, high = np.minimum(left, right), np.maximum(left, right)
    assert len(np.unique(low * 20_000 + high)) == 200_000
    anchor, positive, negative = sample_triplets(labels, 200_000)
    assert (labels[anchor] == labels[positive]).all() and (labels[anchor] != labels[negative]).all()
    assert (anchor != positive).all()
    assert len(np.unique((anchor * 20_000 + positive) * 20_000 + negative)) == 200_000


def test_pairs_of_a_large_class_are_found_exactly():
    # the root that numbers pairs loses digits; a million rows have 5e11 pairs
    left, right, _ = sample_pairs(np.zeros(1_000_000, int), 100_000, positive_fraction=1.0)
    assert (left != right).all() and min(left.min(), right.min()) >= 0
    assert max(left.max(), right.max()) < 1_000_000
    assert abs(np.concatenate([left, right]).mean() - 499_999.5) < 5 * 288_675 / 200_000**0.5


def test_pairs_and_triplets_follow_the_seed():
    labels = np.arange(100) % 7
    for draw in (sample_pairs, sample_triplets):
        one, same, other = (np.array(draw(labels, 50, seed=seed)) for seed in (1, 1, 2))
        assert (one == same).all() and (one != other).any()


def test_no_pairs_and_no_triplets_are_empty():
    for draw in (sample_pairs, sample_triplets):
        for labels in ([0, 0, 1], []):
            found = draw(labels, 0)
            assert [part.shape for part in found] == [(0,)] * 3
            assert found[0].dtype == found[1].dtype == np.int64


def test_asking_for_too_many_says_how_many_there_are():
    with pytest.raises(ValueError, match="3 pairs of one class are asked for but the labels have 2"):
        sample_pairs([0, 0, 1, 1], 6)
    with pytest.raises(ValueError, match="5 pairs of two classes are asked for but the labels have 0"):
        sample_pairs([0] * 9, 10)
    with pytest.raises(ValueError, match="9 triplets are asked for but the labels have 8"):
        sample_triplets([0, 0, 1, 1], 9)
    with pytest.raises(ValueError, match="1 triplets are asked for but the labels have 0"):
        sample_triplets([0, 1, 2], 1)
    with pytest.raises(ValueError, match=r"share of 0 \.\.\. 1"):
        sample_pairs([0, 0], 1, positive_fraction=1.5)
    with pytest.raises(ValueError, match="n is -1"):
        sample_triplets([0, 0], -1)
