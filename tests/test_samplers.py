import itertools
import pickle
import warnings
from collections import Counter

import numpy as np
import pytest

from nearfar.samplers import ClassBalancedSampler


def quiet(*arguments, **options) -> ClassBalancedSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ClassBalancedSampler(*arguments, **options)


def check_batches(plan: np.ndarray, labels: np.ndarray, classes: int, samples: int) -> None:
    counts = Counter(labels.tolist())
    assert plan.dtype == np.int64 and plan.shape[1] == classes * samples
    for batch in plan:
        drawn = Counter(labels[batch].tolist())
        assert len(drawn) == classes and set(drawn.values()) == {samples}
        for name in drawn:
            own = [row for row in batch.tolist() if labels[row] == name]
            assert len(set(own)) == min(samples, counts[name])  # repeated only where there are too few


SIZES = [
    ([16] * 25, 8, 4),
    ([5] * 7, 7, 5),
    ([7, 7, 8, 9, 30], 3, 4),
    ([100, 4, 4, 4], 2, 4),
    ([3, 1, 2, 9], 3, 4),
    ([2, 2], 2, 1),
    ([1], 1, 1),
    ([50, 50], 1, 3),
]


@pytest.mark.parametrize(("sizes", "classes", "samples"), SIZES)
def test_every_batch_has_p_classes_of_k_different_samples(sizes, classes, samples):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    sampler = quiet(labels, classes, samples)
    for epoch in range(5):
        plan = sampler.plan(epoch)
        assert len(plan) == len(sampler)
        check_batches(plan, labels, classes, samples)


def test_epoch_visits_every_sample_once():
    labels = np.arange(1000) % 10
    sampler = ClassBalancedSampler(labels, 5, 4)
    assert len(sampler) == 50
    for _ in range(3):
        assert sorted(np.concatenate(list(sampler)).tolist()) == list(range(1000))


@pytest.mark.parametrize("seed", range(3))
def test_epoch_visits_uneven_classes_about_once(seed):
    sizes = np.random.default_rng(seed).integers(8, 60, 37)
    labels = np.repeat(np.arange(37), sizes)
    sampler = ClassBalancedSampler(labels, 8, 4, seed=seed)
    visits = np.bincount(sampler.plan(0).ravel(), minlength=len(labels))
    assert len(labels) <= visits.sum() <= len(labels) + 8 * 4
    assert (visits > 0).mean() > 0.93 and visits.max() <= 2
    # over epochs nothing is left behind
    several = sum(np.bincount(sampler.plan(epoch).ravel(), minlength=len(labels)) for epoch in range(12))
    assert several.min() >= 8 and several.max() <= 16


def test_class_too_large_for_a_batch_leaves_its_room_to_the_others():
    labels = np.repeat(np.arange(5), [400, 10, 10, 10, 10])
    sampler = ClassBalancedSampler(labels, 4, 2)
    drawn = np.bincount(labels[sampler.plan(0).ravel()])
    batches = len(sampler)
    assert batches == 55  # 440 / (4 * 2)
    assert drawn[0] == 2 * batches  # once in every batch
    assert drawn[1:].sum() == 3 * 2 * batches and drawn[1:].max() - drawn[1:].min() <= 2
    rows = np.bincount(sampler.plan(0).ravel(), minlength=440)
    assert rows[:400].max() == 1  # and no row of it again
    assert rows[400:].max() - rows[400:].min() <= 8


def test_classes_meet_in_random_company():
    labels = np.repeat(np.arange(32), 64)
    sampler = ClassBalancedSampler(labels, 4, 4)
    together = np.zeros((32, 32))
    epochs = 20
    for epoch in range(epochs):
        for batch in sampler.plan(epoch):
            drawn = np.unique(labels[batch])
            together[np.ix_(drawn, drawn)] += 1
    pairs = together[np.triu_indices(32, 1)]
    # 128 batches of 6 pairs among 496: each pair 1.55 times an epoch, about Poisson
    expected = epochs * 128 * 6 / 496
    assert pairs.mean() == pytest.approx(expected)
    assert 0.7 * expected < pairs.var() < 1.3 * expected
    within_an_epoch = Counter(
        pair for batch in sampler.plan(0) for pair in itertools.combinations(np.unique(labels[batch]), 2)
    )
    assert max(within_an_epoch.values()) <= 8  # of 16: no classes stick together


def test_same_seed_and_epoch_give_the_same_batches():
    labels = np.arange(300) % 12
    one, same, other = (ClassBalancedSampler(labels, 4, 3, seed=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.plan(3), same.plan(3))
    assert (one.plan(3) != other.plan(3)).any() and (one.plan(3) != one.plan(4)).any()
    np.random.seed(0)
    np.random.random(5)
    np.testing.assert_array_equal(ClassBalancedSampler(labels, 4, 3, seed=7).plan(3), one.plan(3))


def test_iterating_goes_to_the_next_epoch_and_set_epoch_resumes():
    sampler = ClassBalancedSampler(np.arange(300) % 12, 4, 3)
    first, second = np.array(list(sampler)), np.array(list(sampler))
    assert (first != second).any() and sampler.epoch == 2
    np.testing.assert_array_equal(first, sampler.plan(0))
    np.testing.assert_array_equal(second, sampler.plan(1))
    resumed = ClassBalancedSampler(np.arange(300) % 12, 4, 3)
    resumed.set_epoch(1)
    np.testing.assert_array_equal(np.array(list(resumed)), second)
    next(iter(resumed))  # a broken off epoch counts
    assert resumed.epoch == 3


def test_any_batch_is_had_by_its_number_from_any_thread():
    from concurrent.futures import ThreadPoolExecutor

    sampler = ClassBalancedSampler(np.arange(300) % 12, 4, 3)
    expected = {
        (epoch, number): sampler.plan(epoch)[number].tolist() for epoch in range(4) for number in range(25)
    }
    fresh = pickle.loads(pickle.dumps(ClassBalancedSampler(np.arange(300) % 12, 4, 3)))
    order = list(expected)
    np.random.default_rng(0).shuffle(order)
    with ThreadPoolExecutor(4) as pool:
        found = dict(
            zip(map(tuple, order), pool.map(lambda at: fresh.batch(*at).tolist(), order), strict=True)
        )
    assert found == expected


def test_batches_may_be_written_into():
    sampler = ClassBalancedSampler(np.arange(40) % 4, 2, 2)
    expected = sampler.plan(0).copy()
    for batch in sampler:
        batch[:] = -1
    sampler.batch(0, 1)[:] = -1
    np.testing.assert_array_equal(sampler.plan(0), expected)


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_take_different_classes_of_one_plan(world_size):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(13), np.arange(5, 18)))
    ranks = [
        ClassBalancedSampler(labels, 3, 4, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    alone = ClassBalancedSampler(labels, 3 * world_size, 4)
    assert {len(sampler) for sampler in ranks} == {len(alone)}
    for epoch in range(3):
        plans = [sampler.plan(epoch) for sampler in ranks]
        for plan in plans:
            check_batches(plan, labels, 3, 4)
        np.testing.assert_array_equal(np.concatenate(plans, axis=1), alone.plan(epoch))
        check_batches(np.concatenate(plans, axis=1), labels, 3 * world_size, 4)


def test_batches_per_epoch_is_kept():
    labels = np.arange(100) % 10
    for length in (1, 7, 100):
        sampler = ClassBalancedSampler(labels, 5, 4, batches_per_epoch=length)
        assert len(sampler) == length == len(list(sampler))
        check_batches(sampler.plan(0), labels, 5, 4)
        visits = np.bincount(sampler.plan(0).ravel(), minlength=100)
        # each class is in half the batches; three of its visits go through all ten samples
        assert visits.min() >= length // 2 // 3 and visits.sum() == 20 * length


def test_labels_may_be_strings_large_or_a_column():
    for labels in (["ü", "b", "c"] * 8, np.array([2**60, 2**60 + 1, -1] * 8)[:, None]):
        sampler = ClassBalancedSampler(labels, 2, 4)
        check_batches(sampler.plan(0), np.asarray(labels).reshape(-1), 2, 4)


def test_too_small_classes_are_said_once():
    labels = [0] * 3 + [1] * 8 + [2] * 2
    with pytest.warns(
        UserWarning, match="2 of 3 classes have fewer than samples_per_class = 4 samples, e.g. 0 with 3"
    ):
        sampler = ClassBalancedSampler(labels, 2, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(sampler)
        ClassBalancedSampler([0] * 4 + [1] * 4, 2, 4)
    for batch in sampler.plan(0):  # repeated evenly: no row three times, none left out
        assert np.bincount(batch).max() <= 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"classes_per_batch": 4},
            "classes_per_batch is 4 but the labels have 3 classes; expected at most 3",
        ),
        (
            {"world_size": 2},
            "classes_per_batch is 2 on each of 2 ranks but the labels have 3 classes; expected at most 1",
        ),
        ({"classes_per_batch": 0}, "expected 1 or more of each"),
        ({"samples_per_class": 0}, "expected 1 or more of each"),
        ({"batches_per_epoch": 0}, "batches_per_epoch is 0"),
        ({"rank": 1}, "rank is 1; expected 0 to 0"),
        ({"seed": -1}, "seed is -1"),
        ({"labels": np.zeros((4, 2))}, r"labels has shape \(4, 2\)"),
        ({"labels": []}, "the labels have 0 classes"),
    ],
)
def test_wrong_arguments_are_named(options, words):
    given = {"labels": [0, 0, 1, 1, 2, 2], "classes_per_batch": 2, "samples_per_class": 2} | options
    with pytest.raises(ValueError, match=words):
        ClassBalancedSampler(**given)
    with pytest.raises(ValueError, match="epoch is -1"):
        ClassBalancedSampler([0, 1], 1, 1).set_epoch(-1)


@pytest.mark.parametrize("workers", [0, 2])
def test_sampler_is_a_torch_batch_sampler(workers):
    torch = pytest.importorskip("torch")
    labels = torch.arange(40) % 4
    data = torch.utils.data.TensorDataset(torch.arange(40.0), labels)
    sampler = ClassBalancedSampler(labels, 2, 5)
    loader = torch.utils.data.DataLoader(data, batch_sampler=sampler, num_workers=workers)
    assert len(loader) == len(sampler) == 4
    for epoch in range(2):
        batches = list(loader)
        assert len(batches) == 4
        for (x, y), expected in zip(batches, sampler.plan(epoch), strict=True):
            assert x.tolist() == expected.tolist() and y.tolist() == labels[expected].tolist()
