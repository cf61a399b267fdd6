from collections import Counter

import numpy as np
import pytest

from nearfar.samplers import mine_triplets

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
