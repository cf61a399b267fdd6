"""Batches of a run, and augmentation."""

import math

import numpy as np
import pytest
import training_setup  # noqa: F401  binds the backend

from nearfar.data import load
from nearfar.training import pipeline
from nearfar.training.augment import random_affine


class Zeros:
    """A source of chance without chance: every draw is 0, save that of the given number."""

    def __init__(self, number: int, value: float):
        self.number, self.value, self.count = number, value, 0

    def normal(self, loc, scale, size):
        self.count += 1
        return np.full(size, self.value if self.count == self.number + 1 else 0.0)


def test_shuffled_batches_hold_each_sample_once():
    sampler = pipeline.ShuffledSampler(103, 10, seed=4)
    sampler.set_epoch(3)
    seen = np.concatenate(list(sampler))
    assert len(seen) == 100 and len(np.unique(seen)) == 100
    again = pipeline.ShuffledSampler(103, 10, seed=4)
    again.set_epoch(3)
    assert np.array_equal(np.concatenate(list(again)), seen)
    again.set_epoch(4)
    assert not np.array_equal(np.concatenate(list(again)), seen)


def test_more_shuffled_batches_than_samples_go_round_again():
    batches = list(pipeline.ShuffledSampler(10, 4, batches_per_epoch=5))
    assert [len(batch) for batch in batches] == [4] * 5
    assert all(len(np.unique(batch)) == 4 for batch in batches)
    assert len(np.unique(np.concatenate(batches[:2]))) == 8


@pytest.mark.parametrize("by_class", [True, False])
def test_validation_keeps_classes_or_samples_of_each(by_class):
    labels = np.repeat(np.arange(20), 10)
    kept = pipeline.held_out(labels, 0.2, by_class=by_class, seed=0)
    counts = np.bincount(labels[kept], minlength=20)
    assert kept.sum() == 40
    assert sorted(counts) == ([0] * 16 + [10] * 4 if by_class else [2] * 20)


def test_validation_leaves_two_of_each_class_to_train_on():
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2])
    kept = pipeline.held_out(labels, 0.5, by_class=False, seed=0)
    assert np.bincount(labels[~kept], minlength=3).min() >= 2
    assert not pipeline.held_out(
        labels, 0.5, by_class=True, seed=0
    ).any()  # two classes would be left with one
    assert not pipeline.held_out(labels, 0.0, by_class=False, seed=0).any()


def test_batches_follow_from_seed_and_epoch():
    samples = load("digits", limit=80).train
    rows = np.arange(len(samples))[::2]

    def batches(seed):
        sampler = pipeline.ShuffledSampler(len(rows), 8, seed=seed)
        return pipeline.Batches(samples, rows, sampler, augment=0.5, seed=seed)

    first, second = batches(3), batches(3)
    first.set_epoch(2)
    [first[i] for i in range(len(first))]
    first.set_epoch(5)
    second.set_epoch(5)
    for one, other in ((first[i], second[i]) for i in (1, 0, 1)):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    plain = pipeline.Batches(samples, rows, pipeline.ShuffledSampler(len(rows), 8, seed=3), augment=0, seed=3)
    plain.set_epoch(5)
    inputs, labels = plain[0]
    np.testing.assert_array_equal(labels, first[0][1])
    assert not np.array_equal(inputs, first[0][0])
    np.testing.assert_array_equal(inputs, samples.read(rows[plain.plan[0]]))


def test_no_strength_changes_nothing():
    images = np.random.default_rng(0).random((3, 7, 9, 2), np.float32)
    np.testing.assert_allclose(random_affine(images, np.random.default_rng(0), 0.0), images, atol=1e-2)


@pytest.mark.parametrize(("draw", "axis"), [(4, 2), (5, 1)])
def test_a_shift_of_one_pixel_moves_the_picture_by_one(draw, axis):
    images = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    moved = random_affine(images, Zeros(draw, 1.0))
    inner = (slice(None), slice(1, -2), slice(1, -2))
    np.testing.assert_allclose(moved[inner], np.roll(images, -1, axis)[inner], atol=1e-5)


def test_a_quarter_turn_turns_the_picture():
    images = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    turned = random_affine(images, Zeros(0, math.pi / 2))
    # x' = -y, y' = x: the picture turns against the clock on the screen, where y points down
    np.testing.assert_allclose(turned[:, 1:-1, 1:-1], np.rot90(images, 1, (1, 2))[:, 1:-1, 1:-1], atol=2e-2)


def test_augmented_images_stay_in_range_and_differ():
    images = np.random.default_rng(0).random((4, 12, 10, 3), np.float32)
    changed = random_affine(np.repeat(images[:1], 4, 0), np.random.default_rng(1), 1.0)
    assert changed.dtype == np.float32 and changed.min() >= 0 and changed.max() <= 1
    assert np.abs(changed[0] - changed[1]).max() > 0.01
