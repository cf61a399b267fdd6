import itertools
import pickle
import warnings
from collections import Counter

import numpy as np
import pytest

from nearfar.samplers import ClassBalancedSampler, mine_triplets, sample_pairs, sample_triplets

# class-balanced batches


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


# pairs and triplets from labels

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


# triplets mined over a whole data set

DISTANCES = {
    "euclidean": lambda a, b: np.sqrt(((a - b) ** 2).sum()),
    "squared_euclidean": lambda a, b: ((a - b) ** 2).sum(),
    "cosine": lambda a, b: 1 - a @ b / np.sqrt((a @ a) * (b @ b)),
    "dot": lambda a, b: -(a @ b),
    "manhattan": lambda a, b: np.abs(a - b).sum(),
    "chebyshev": lambda a, b: np.abs(a - b).max(),
}


def mined(found) -> list[tuple[int, int, int]]:
    return list(zip(*(part.tolist() for part in found), strict=True))


def loop(x, labels, mining, distance, positives, negatives, skip, margin):
    """The documented choice, one anchor at a time; not for minings that draw their positives."""
    d = np.array([[DISTANCES[distance](a, b) for b in x] for a in x])
    n, triplets = range(len(x)), []
    for a in n:
        near = sorted((d[a, p], p) for p in n if p != a and labels[p] == labels[a])
        far = sorted((d[a, k], k) for k in n if labels[k] != labels[a])
        if not near or not far:
            continue
        if mining == "hard":
            near = near[::-1][min(skip, len(near) - 1) :]
        for d_ap, p in near[:positives]:
            eligible = far
            if mining == "easy_positive_semihard":
                eligible = [pair for pair in far if pair[0] > d_ap]
            taken = eligible[min(skip, max(len(eligible) - 1, 0)) :][:negatives]
            if not taken:
                taken = [far[min(skip, len(far) - 1)]]
            triplets += [(a, p, k) for _, k in taken]
    return triplets


def data(n=40, classes=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    labels[labels == 0] = 7  # one class is alone
    labels[3] = 0
    return rng.normal(size=(n, 5)) + rng.normal(size=(9, 5))[labels], labels


@pytest.mark.parametrize("block", [1, 7, None])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("mining", ["hard", "easy_positive", "easy_positive_semihard"])
def test_mined_triplets_are_those_of_the_loop(mining, distance, block):
    x, labels = data()
    for positives, negatives, skip in [(1, 1, 0), (3, 2, 0), (1, 1, 2), (2, 3, 4), (50, 50, 0)]:
        found = mine_triplets(
            x,
            labels,
            mining=mining,
            distance=distance,
            positives_per_anchor=positives,
            negatives_per_anchor=negatives,
            skip_hardest=skip,
            block=block,
        )
        assert mined(found) == loop(x, labels, mining, distance, positives, negatives, skip, 0.2)
        assert all(part.dtype == np.int64 for part in found)


@pytest.mark.parametrize("mining", ["semihard", "semihard_within_margin"])
@pytest.mark.parametrize(("positives", "negatives", "skip"), [(1, 1, 0), (3, 2, 0), (2, 2, 1), (50, 50, 0)])
def test_semihard_negatives_are_those_of_the_loop(mining, positives, negatives, skip):
    x, labels = data()
    margin = 0.8
    d = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))
    found = mine_triplets(
        x,
        labels,
        mining=mining,
        margin=margin,
        positives_per_anchor=positives,
        negatives_per_anchor=negatives,
        skip_hardest=skip,
        block=9,
    )
    by_pair = {}
    for a, p, k in mined(found):
        by_pair.setdefault((a, p), []).append(k)
    fallbacks = 0
    for a in range(len(x)):
        others = [p for p in range(len(x)) if p != a and labels[p] == labels[a]]
        drawn = [p for b, p in by_pair if b == a]
        assert set(drawn) <= set(others)
        far = sorted((d[a, k], k) for k in range(len(x)) if labels[k] != labels[a])
        if mining == "semihard":
            assert len(drawn) == min(positives, len(others))
        for p in others:
            beyond = [(v, k) for v, k in far if v > d[a, p]]
            if mining == "semihard_within_margin":
                beyond = [(v, k) for v, k in beyond if v < d[a, p] + margin]
            expected = [k for _, k in beyond[min(skip, max(len(beyond) - 1, 0)) :][:negatives]]
            if not expected and mining == "semihard":
                expected, fallbacks = [far[-1][1]], fallbacks + 1
            if (a, p) in by_pair:
                assert by_pair[a, p] == expected
            elif positives == 50:
                assert not expected
    if mining == "semihard" and positives == 50:
        assert fallbacks > 0  # else the case was not met


def test_random_positives_are_drawn_evenly_and_follow_the_seed():
    x, labels = np.random.default_rng(0).normal(size=(12, 3)), np.repeat([0, 1], 6)
    counts = Counter()
    for seed in range(1000):
        found = mine_triplets(x, labels, mining="semihard", positives_per_anchor=2, seed=seed, block=5)
        counts.update((a, p) for a, p, _ in mined(found))
    assert len(counts) == 12 * 5
    assert max(abs(count - 400) for count in counts.values()) < 5 * 400**0.5
    one, same = (mine_triplets(x, labels, mining="semihard", seed=3) for _ in range(2))
    assert mined(one) == mined(same)


def test_skipping_the_hardest_passes_over_wrong_labels():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    x = np.eye(3)[labels] * 10 + rng.normal(size=(60, 3))
    wrong = labels.copy()
    wrong[[4, 30]] = [1, 2]
    plain = mine_triplets(x, wrong)
    skipped = mine_triplets(x, wrong, skip_hardest=1)
    clean = np.setdiff1d(np.arange(60), [4, 30])
    for found, share in ((plain, 1.0), (skipped, 0.0)):
        anchors = np.isin(found.anchor, clean) & (labels[found.anchor] == 0)
        assert np.isin(found.negative[anchors], [4]).mean() == share


def test_offset_embeddings_are_mined_in_float32():
    x, labels = data()
    near = mined(mine_triplets((x + 1000).astype(np.float32), labels))
    assert near == loop(
        (x + 1000).astype(np.float32).astype(float), labels, "hard", "euclidean", 1, 1, 0, 0.2
    )


def test_any_framework_and_precision_is_taken():
    x, labels = data()
    x = x.astype(np.float16)
    expected = mined(mine_triplets(x.astype(np.float32), labels))
    assert mined(mine_triplets(x, labels.astype(str))) == expected
    assert mined(mine_triplets(x.tolist(), labels[:, None])) == expected
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(x.astype(np.float32), requires_grad=True)
    assert mined(mine_triplets(tensor * 1, torch.tensor(labels))) == expected
    half = tensor.to(torch.bfloat16)
    assert mined(mine_triplets(half, labels)) == mined(mine_triplets(half.float(), labels))
    jnp = pytest.importorskip("jax.numpy")
    assert mined(mine_triplets(jnp.asarray(x), jnp.asarray(labels))) == expected
    tf = pytest.importorskip("tensorflow")
    assert mined(mine_triplets(tf.constant(x), tf.constant(labels))) == expected


def test_distance_may_be_a_function():
    x, labels = data()
    expected = mined(mine_triplets(x, labels, distance="manhattan"))
    order = np.argsort(labels, kind="stable")
    table = np.abs(x[order][:, None] - x[order][None]).sum(axis=2)
    kept = table.copy()
    assert (
        mined(mine_triplets(x, labels, distance=lambda a, b: np.abs(a[:, None] - b[None]).sum(axis=2)))
        == expected
    )
    assert mined(mine_triplets(x, labels, distance=lambda a, b: table, block=len(x))) == expected
    np.testing.assert_array_equal(table, kept)  # not written into


@pytest.mark.parametrize("mining", ["hard", "semihard", "semihard_within_margin", "easy_positive_semihard"])
def test_nothing_to_mine_is_empty(mining):
    for x, labels in (
        (np.zeros((0, 3)), []),
        (np.ones((4, 3)), [0, 0, 0, 0]),
        (np.ones((4, 3)), [0, 1, 2, 3]),
        (np.ones((1, 3)), [0]),
    ):
        found = mine_triplets(x, labels, mining=mining, positives_per_anchor=2, negatives_per_anchor=3)
        assert [(part.shape, part.dtype) for part in found] == [((0,), np.int64)] * 3


def test_equal_rows_are_mined():
    found = mine_triplets(np.ones((6, 3)), [0, 0, 1, 1, 2, 2])
    assert mined(found) == [(0, 1, 2), (1, 0, 2), (2, 3, 0), (3, 2, 0), (4, 5, 0), (5, 4, 0)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mining": "hardest"}, "mining 'hardest' is not known; expected one of hard, semihard"),
        ({"distance": "far"}, "'far' is not known"),
        ({"positives_per_anchor": 0}, "positives_per_anchor is 0"),
        ({"negatives_per_anchor": 0}, "negatives_per_anchor 0"),
        ({"skip_hardest": -1}, "-1; expected 1 or more"),
        ({"block": 0}, "block 0"),
        ({"labels": [0, 1]}, r"embeddings has shape \(4, 2\) and labels has 2 rows"),
        ({"embeddings": np.zeros(4)}, r"embeddings has shape \(4,\)"),
        (
            {"embeddings": np.array([[0, 0], [1, np.nan], [2, 2], [3, 3.0]])},
            "row 1 of embeddings is not finite",
        ),
    ],
)
def test_what_cannot_be_mined_is_named(options, words):
    given = {"embeddings": np.zeros((4, 2)), "labels": [0, 0, 1, 1]} | options
    with pytest.raises(ValueError, match=words):
        mine_triplets(**given)
