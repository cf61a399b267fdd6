"""Verification against loops over thresholds, SciPy and scikit-learn."""

import importlib
import json
import math

import numpy as np
import pytest
from evaluation_loops import plain_distances

from nearfar.evaluation import pairs, verification


@pytest.fixture
def random():
    return np.random.default_rng(7)


def some_pairs(random, count=400, tied=False):
    left = random.normal(size=(count, 3))
    same = random.random(count) < 0.4
    right = left + random.normal(size=(count, 3)) * np.where(same, 0.5, 1.4)[:, None]
    rows = np.concatenate([left, right])
    rows = np.round(rows) if tied else rows
    return rows, (np.arange(count), np.arange(count) + count, same)


@pytest.mark.parametrize("tied", [False, True])
def test_curve_is_counted(tied, random):
    from sklearn.metrics import roc_auc_score

    rows, given = some_pairs(random, tied=tied)
    left, right, same = given
    result = verification(rows, pairs=given, far=(0.5, 0.1, 0.02, 0.0))
    distances = np.sqrt(((rows[left] - rows[right]) ** 2).sum(axis=1))
    np.testing.assert_allclose(result.distances, distances, rtol=1e-12)
    assert result.auc == pytest.approx(roc_auc_score(same, -distances), rel=1e-12)
    for far, tar in result.tar_at_far.items():
        rates = [
            ((distances[~same] <= t).mean(), (distances[same] <= t).mean())
            for t in [-1.0, *np.unique(distances)]
        ]
        assert tar == max(accepted for wrongly, accepted in rates if wrongly <= far)
        threshold = result.threshold_at_far[far]
        assert (distances[same] <= threshold).mean() == tar
        assert (distances[~same] <= threshold).mean() <= far
        assert result.threshold_for(far) == threshold
        assert result.error_rates(threshold)[1] == pytest.approx(1 - tar)


def test_equal_error_rate_is_the_root(random):
    from scipy.interpolate import interp1d
    from scipy.optimize import brentq

    rows, given = some_pairs(random)
    result = verification(rows, pairs=given)
    root = brentq(lambda x: 1 - x - interp1d(result.fpr, result.tpr)(x), 0, 1)
    assert result.eer == pytest.approx(root, abs=1e-9)
    wrongly, rejected = result.error_rates(result.eer_threshold)
    assert abs(wrongly - rejected) <= 1 / min(result.positives, result.negatives)


def test_equal_error_rate_by_hand():
    # same: 1, 2, 4; different: 3, 5. Up to 2: FAR 0, FRR 1/3; up to 3: FAR 1/2, FRR 1/3. The rates cross on
    # way up from 0 to 1/2, where FAR = 1/3
    rows = np.array([[0.0], [1.0], [2.0], [4.0], [3.0], [5.0]])
    result = verification(rows, pairs=([0] * 5, [1, 2, 3, 4, 5], [True, True, True, False, False]))
    assert result.eer == pytest.approx(1 / 3)
    assert result.auc == pytest.approx(
        5 / 6
    )  # of the six (same, different) pairs of pairs only (4, 3) is wrong
    assert result.threshold == 2.5  # four of five are right up to 2 and also up to 4: the least
    assert result.tar_at_far == {0.1: 2 / 3, 0.01: 2 / 3, 0.001: 2 / 3}
    assert result.far_resolution == 0.5 and result.unresolved_far == (0.1, 0.01, 0.001)


def plain_folds(distances, same, folds, far):
    """Accuracy, VAL and FAR of each fold, by trying every threshold between two training distances; and the
    balanced accuracy of all."""
    accuracy, val, measured, right_of_kind = [], [], [], np.zeros(2)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        values = np.unique(distances[train])
        tries = [values[0] - 1, *((values[1:] + values[:-1]) / 2), values[-1]]
        right = [((distances[train] <= t) == same[train]).sum() for t in tries]
        best = tries[int(np.argmax(right))]
        accuracy.append(((distances[test] <= best) == same[test]).mean())
        kinds = same[train], ~same[train]
        shares = [
            (distances[train] <= t)[kinds[0]].mean() + (distances[train] > t)[kinds[1]].mean() for t in tries
        ]
        even = distances[test] <= tries[int(np.argmax(np.round(shares, 12)))]
        right_of_kind += even[same[test]].sum(), (~even[~same[test]]).sum()
        allowed = [t for t in tries if (distances[train & ~same] <= t).mean() <= far]
        val.append((distances[test & same] <= max(allowed)).mean())
        measured.append((distances[test & ~same] <= max(allowed)).mean())
    return accuracy, val, measured, (right_of_kind / [same.sum(), (~same).sum()]).mean()


@pytest.mark.parametrize("tied", [False, True])
def test_folds_are_the_loop(tied, random):
    rows, given = some_pairs(random, tied=tied)
    folds = random.integers(0, 7, 400)
    result = verification(rows, pairs=given, folds=folds, far=(0.1,))
    distances = np.sqrt(((rows[given[0]] - rows[given[1]]) ** 2).sum(axis=1))
    accuracy, val, measured, balanced = plain_folds(distances, given[2], folds, 0.1)
    np.testing.assert_allclose(result.fold_accuracies, accuracy)
    assert result.accuracy == pytest.approx(np.mean(accuracy))
    assert result.balanced_accuracy == pytest.approx(balanced)
    assert result.accuracy_std == pytest.approx(np.std(accuracy, ddof=1))
    assert result.accuracy_stderr == pytest.approx(np.std(accuracy, ddof=1) / math.sqrt(7))
    assert result.val_at_far[0.1]["val"] == pytest.approx(np.mean(val))
    assert result.val_at_far[0.1]["val_std"] == pytest.approx(np.std(val, ddof=1))
    assert result.val_at_far[0.1]["far"] == pytest.approx(np.mean(measured))


def test_folds_are_shuffled_by_seed_and_equal(random):
    rows, given = some_pairs(random)
    one, two = (verification(rows, pairs=given, seed=seed).fold_accuracies for seed in (0, 1))
    again = verification(rows, pairs=given, seed=0).fold_accuracies
    assert len(one) == 10 and one.tolist() == again.tolist() != two.tolist()
    np.testing.assert_allclose(one * 40, np.round(one * 40))  # folds of 40 pairs


def test_balanced_accuracy_is_not_fooled_by_many_negatives(random):
    rows, labels = random.normal(size=(200, 8)), random.integers(0, 50, 200)
    result = verification(rows, labels)
    assert result.accuracy > 0.97  # accepts nothing
    assert 0.45 < result.balanced_accuracy < 0.58


@pytest.mark.parametrize(
    "distance", ["euclidean", "squared_euclidean", "cosine", "manhattan", "chebyshev", "dot", "function"]
)
def test_all_pairs_are_the_upper_triangle(distance, random):
    rows, labels = random.normal(size=(30, 5)).astype(np.float32), random.integers(0, 4, 30)
    expected = plain_distances(rows, rows, "manhattan" if distance == "function" else distance)
    if distance == "function":
        result = verification(rows, labels, distance=lambda x, y: np.abs(x[:, None] - y[None]).sum(axis=2))
    else:
        result = verification(rows, labels, distance=distance)
    upper = np.triu_indices(30, 1)
    np.testing.assert_allclose(
        result.distances, expected[upper], rtol=1e-5 if distance == "function" else 1e-12
    )
    assert result.same.tolist() == (labels[upper[0]] == labels[upper[1]]).tolist()
    assert result.pairs == 435 and not result.sampled


def test_many_pairs_are_sampled_evenly(random, monkeypatch):
    monkeypatch.setattr(pairs, "ALL", 100)
    monkeypatch.setattr(importlib.import_module("nearfar.evaluation.verification"), "ALL", 100)
    monkeypatch.setattr(pairs, "SAMPLE", 40_000)
    rows, labels = random.normal(size=(40, 3)), np.repeat([0, 1, 2], [5, 14, 21])
    result = verification(rows, labels)
    assert result.sampled and result.positives == result.negatives == 20_000
    assert (result.left != result.right).all()
    assert ((labels[result.left] == labels[result.right]) == result.same).all()
    # uniform over the pairs of a kind: 10, 91 and 210 pairs of one class
    shares = np.bincount(labels[result.left[result.same]]) / 20_000
    np.testing.assert_allclose(shares, np.array([10, 91, 210]) / 311, atol=0.015)
    for of_same in (True, False):
        drawn = np.zeros((40, 40))
        np.add.at(drawn, (result.left[result.same == of_same], result.right[result.same == of_same]), 1)
        possible = (labels[:, None] == labels[None]) == of_same
        np.fill_diagonal(possible, False)
        assert ((drawn > 0) == possible).all()  # each about 12 to 30 times


def test_cross_pairs_are_all_or_uniform(random, monkeypatch):
    codes, others = np.array([0, 1, 5]), np.array([1, 1, 0, 2])
    left, right, same = pairs.cross_pairs(codes, others, False, 0)
    assert len(left) == 12 and (same == (codes[left] == others[right])).all()
    monkeypatch.setattr(pairs, "ALL", 0)
    monkeypatch.setattr(pairs, "SAMPLE", 2000)
    left, right, same = pairs.cross_pairs(codes, others, False, 0)
    assert (same == (codes[left] == others[right])).all() and same.mean() == 0.5
    assert len(set(zip(left.tolist(), right.tolist(), strict=True))) == 12


@pytest.mark.parametrize(
    ("rows", "labels"),
    [(np.zeros((0, 3)), []), (np.zeros((1, 3)), [0]), (np.eye(3), [0, 1, 2]), (np.eye(3), [0, 0, 0])],
)
def test_pairs_of_one_kind_give_zeros(rows, labels):
    result = verification(rows, np.array(labels, dtype=int))
    assert result.auc == result.eer == result.accuracy == result.threshold == 0.0
    assert 0 in (result.positives, result.negatives)
    text = json.dumps(result.to_dict())
    assert "NaN" not in text and "Infinity" not in text


def test_collapsed_embeddings_verify_nothing():
    result = verification(np.ones((40, 3)), np.arange(40) // 2)
    assert result.auc == pytest.approx(0.5) and result.eer == pytest.approx(0.5)
    assert result.tar_at_far == {0.1: 0.0, 0.01: 0.0, 0.001: 0.0}


def test_intervals_by_pair_agree_with_delong(random):
    rows, given = some_pairs(random, 600)
    result = verification(rows, pairs=given)
    same, different = result.distances[result.same], result.distances[~result.same]
    wins = (same[:, None] < different[None]) + 0.5 * (same[:, None] == different[None])
    variance = wins.mean(axis=1).var(ddof=1) / len(same) + wins.mean(axis=0).var(ddof=1) / len(different)
    low, high = result.intervals(by="pair", resamples=2000)["auc"]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.1)
    assert low < result.auc < high


def test_intervals_by_item_reweigh_pairs(random):
    rows, labels = random.normal(size=(40, 2)), np.arange(40) % 4
    result = verification(rows, labels, far=(0.1,))
    samples = result.resampled(resamples=3, seed=5)
    counts = np.stack(
        [np.bincount(draw, minlength=40) for draw in np.random.default_rng(5).integers(40, size=(3, 40))]
    )
    for count, sample in zip(counts, samples, strict=True):
        weights = count[result.left] * count[result.right]
        same = np.repeat(result.distances[result.same], weights[result.same])
        different = np.repeat(result.distances[~result.same], weights[~result.same])
        assert sample[0] == pytest.approx((same[:, None] < different[None]).mean(), rel=1e-9)
        threshold = np.sort(different)[int(0.1 * len(different))]
        assert sample[2] == pytest.approx((same < threshold).mean(), rel=1e-9)
    assert set(result.intervals(by="class", resamples=20)) == {"auc", "eer", "tar_at_far_0.1"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"pairs": ([0], [9], [True])}, ValueError, "right of pairs names rows 9 to 9"),
        ({"pairs": ([0.5], [1], [True])}, TypeError, "left of pairs is of type float64"),
        ({"pairs": ([0], [1])}, ValueError, "2 parts"),
        ({"pairs": ([0, 1], [1], [True])}, ValueError, "2, 1 and 1 entries"),
        ({"labels": None}, ValueError, "are missing"),
        ({"far": (2.0,)}, ValueError, "between 0 and 1"),
        ({"folds": 1}, ValueError, "2 or more"),
        ({"folds": [0, 1]}, ValueError, r"folds has shape \(2,\)"),
    ],
)
def test_wrong_pairs_are_named(change, error, message):
    given = {"labels": [0, 0, 1], **change}
    with pytest.raises(error, match=message):
        verification([[0.0], [1.0], [2.0]], given.pop("labels"), **given)
