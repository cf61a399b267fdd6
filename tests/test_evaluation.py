"""Retrieval against plain loops, and against pytorch-metric-learning, ranx and scikit-learn."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from evaluation_loops import KS, assert_equals_loop, plain_distances, plain_retrieval, rows_of

from nearfar.evaluation import neighbors, ranks, retrieval


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.mark.parametrize("itself", [True, False], ids=["against itself", "references"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine", "dot", "manhattan", "chebyshev"])
@pytest.mark.parametrize("kind", ["normal", "ties", "duplicates", "equal", "far from the origin", "zeros"])
def test_retrieval_is_the_loop(kind, distance, itself, random):
    rows, labels = rows_of(kind, 60, 4, random), random.integers(0, 6, 60)
    labels[:3] = [100, 101, 102]  # without a positive
    if itself:
        result = retrieval(rows, labels, ks=KS, distance=distance)  # KS has a k beyond all references
        expected = plain_retrieval(plain_distances(rows, rows, distance), labels, labels, True)
    else:
        queries, query_labels, ks = rows_of(kind, 40, 4, random), random.integers(0, 8, 40), (1, 3)
        result = retrieval(
            queries, query_labels, references=rows, reference_labels=labels, ks=ks, distance=distance
        )
        plain = plain_distances(queries, rows, distance)
        expected = plain_retrieval(plain, query_labels, labels, False, ks)
    if distance == "cosine" and kind in ("ties", "equal", "duplicates"):
        # scaled copies are equal in exact arithmetic alone: the loop orders them by noise
        assert result.queries == sum(values is not None for values in expected)
        return
    assert_equals_loop(result, expected)


@pytest.mark.parametrize("few", [0, 256], ids=["sorted rows", "nearest alone"])
@pytest.mark.parametrize("kind", ["normal", "ties", "duplicates", "equal", "many scales"])
def test_block_sizes_change_nothing(kind, few, random, monkeypatch):
    rows, labels = rows_of(kind, 120, 3, random), random.integers(0, 40, 120)
    expected = plain_retrieval(plain_distances(rows, rows, "euclidean"), labels, labels, True, (1, 2))
    monkeypatch.setattr(ranks, "_FEW", few)
    for block in (1, 7, 1000):
        monkeypatch.setattr(ranks, "_ROWS", block)
        monkeypatch.setattr(ranks, "_BLOCK", block * 120)
        monkeypatch.setattr(neighbors, "_ROWS", block + 2)
        monkeypatch.setattr(neighbors, "_COLUMNS", 3 * block)
        monkeypatch.setattr(neighbors, "_CROWD", block % 5)
        assert_equals_loop(retrieval(rows, labels, ks=(1, 2)), expected)


def test_near_rows_are_not_ties():
    # 1e-4 apart at a distance of 100 from the origin: float32 products around the origin see only rounding
    rows = (100 + np.array([0.0, 3e-4, 1e-4, 9e-4])[:, None] * np.ones((4, 8))).astype(np.float32)
    result = retrieval(rows[:1], [0], references=rows[1:], reference_labels=[1, 0, 2])
    assert result.precision_at_1 == 1.0
    labels = np.arange(400) // 2
    pairs_of_rows = np.repeat(np.random.default_rng(0).normal(size=(200, 16)), 2, axis=0)
    pairs_of_rows[1::2] += 1e-6
    assert retrieval(pairs_of_rows.astype(np.float32) + 50, labels).precision_at_1 > 0.99


def test_agrees_with_pytorch_metric_learning(random):
    calculator = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
    pytest.importorskip("faiss")
    import torch

    rows, labels = random.normal(size=(500, 16)).astype(np.float32), random.integers(0, 12, 500)
    rows += random.normal(size=(12, 16)).astype(np.float32)[labels]
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_reciprocal_rank")
    theirs = calculator.AccuracyCalculator(include=names, k=499, device=torch.device("cpu")).get_accuracy(
        torch.tensor(rows), torch.tensor(labels)
    )
    ours = retrieval(rows, labels)
    assert ours.precision_at_1 == pytest.approx(theirs["precision_at_1"], rel=1e-6)
    assert ours.r_precision == pytest.approx(theirs["r_precision"], rel=1e-6)
    assert ours.map_at_r == pytest.approx(theirs["mean_average_precision_at_r"], rel=1e-6)
    assert ours.mrr == pytest.approx(theirs["mean_reciprocal_rank"], rel=1e-6)


@pytest.mark.slow  # ranx compiles for minutes
def test_agrees_with_ranx_on_negative_scores(random):
    ranx = pytest.importorskip("ranx")
    queries, references = random.normal(size=(40, 8)), random.normal(size=(90, 8))
    labels, reference_labels = random.integers(0, 7, 40), random.integers(0, 7, 90)
    scores = -plain_distances(queries, references, "euclidean")  # all below 0
    run = ranx.Run(
        {f"q{i:02}": {f"d{j}": float(s) for j, s in enumerate(row)} for i, row in enumerate(scores)}
    )
    positives = [np.flatnonzero(reference_labels == label) for label in labels]
    truth = ranx.Qrels({f"q{i:02}": {f"d{j}": 1 for j in found} for i, found in enumerate(positives)})
    names = ["r-precision", "mrr", "hit_rate@3", "ndcg@3"]
    ranx.evaluate(truth, run, names)
    ours = retrieval(queries, labels, references=references, reference_labels=reference_labels, ks=(3,))
    for name, mine in zip(names, ("r_precision", "mrr", "recall_at_3", "ndcg_at_3"), strict=True):
        theirs = [run.scores[name][f"q{i:02}"] for i in range(40)]
        np.testing.assert_allclose(ours.per_query[mine], theirs, rtol=1e-9)
    for i, found in enumerate(positives):  # MAP@R has another cut for every query
        one = ranx.Run({"q": run.run[f"q{i:02}"]}), ranx.Qrels({"q": {f"d{j}": 1 for j in found}})
        theirs = ranx.evaluate(one[1], one[0], f"map@{len(found)}")
        assert ours.per_query["map_at_r"][i] == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(("few", "depth"), [(0, 2000), (10_000, 125)], ids=["sorted rows", "nearest alone"])
def test_ranks_give_scikit_learns_average_precision(few, depth, random, monkeypatch):
    from sklearn.metrics import average_precision_score

    monkeypatch.setattr(ranks, "_FEW", few)
    labels = random.integers(0, 300, 2000)
    rows = 2 * random.normal(size=(300, 8))[labels] + random.normal(size=(2000, 8))
    task = ranks.Task(rows, labels, rows, labels, True, "euclidean")
    checked = 0
    for block in ranks.positive_ranks(task, depth):
        starts = np.cumsum(block.counts) - block.counts
        for query, start, count in zip(block.queries[:50], starts, block.counts, strict=False):
            found = block.ranks[start : start + count]
            if found[-1] == ranks.BEYOND:
                continue
            checked += 1
            others = np.arange(2000) != query
            scores = -np.linalg.norm(rows[others] - rows[query], axis=1)
            expected = average_precision_score(labels[others] == labels[query], scores)
            assert np.mean(np.arange(1, count + 1) / found) == pytest.approx(expected, rel=1e-9)
    assert checked >= 20


def test_the_last_bit_of_a_distance_counts():
    nearer = np.nextafter(1.0, 0.0)
    for references, expected in (([1.0, nearer], 0.0), ([nearer, 1.0], 1.0), ([1.0, 1.0], 1.0)):
        result = retrieval(
            [[0.0]],
            ["a"],
            references=np.array(references)[:, None],
            reference_labels=["a", "b"],
            distance=lambda x, y: np.abs(x - y.T),
        )
        assert result.precision_at_1 == expected


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2**53, 2**53 + 1, 2**53, 2**53 + 1]),
        np.array([2**63, 2**63 + 1, 2**63, 2**63 + 1], dtype=np.uint64),
        [-1, 2**63, -1, 2**63],
        ["2", "two", "2", "two"],
        [True, False, True, False],
        np.array([[5], [6], [5], [6]]),
    ],
    ids=["above 2^53", "above 2^63", "both signs", "strings", "bools", "a column"],
)
def test_labels_of_any_kind_stay_distinct(labels):
    rows = [[0.0], [1.0], [0.1], [5.0]]
    result = retrieval(rows, labels)  # nearest: 2, 2, 0, 1
    assert result.per_query["precision_at_1"].tolist() == [1, 0, 1, 1]


def test_signed_and_unsigned_labels_meet():
    signed, unsigned = np.array([2**62 + 1, -1]), np.array([2**62 + 1, 2**64 - 1], dtype=np.uint64)
    result = retrieval([[0.0], [1.0]], signed, references=[[0.0], [1.0]], reference_labels=unsigned)
    assert result.queries == 1 and result.query_labels == [2**62 + 1]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_no_positive_gives_zeros(count):
    result = retrieval(np.zeros((count, 3)), np.arange(count))
    assert (result.queries, result.queries_without_positive) == (0, count)
    values = [
        *result.recall_at.values(),
        *result.ndcg_at.values(),
        result.map_at_r,
        result.mrr,
        result.r_precision,
    ]
    assert values == [0.0] * len(values) and result.precision_at_1 == 0.0
    assert result.per_class() == {}
    assert set(result.intervals().values()) == {(0.0, 0.0)}


def test_k_beyond_the_references_means_all():
    result = retrieval([[0.0], [1.0], [3.0]], [0, 1, 0], ks=(2, 50))
    assert result.recall_at == {2: 1.0, 50: 1.0}
    # both queries find their only positive at rank 2: 1 / log2(3)
    assert result.ndcg_at[50] == pytest.approx(1 / math.log2(3))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"labels": [0, 1]}, ValueError, r"labels has shape \(2,\) but embeddings has 3 rows"),
        ({"labels": [0.0, 1.0, 2.0]}, TypeError, "labels is of type float64"),
        ({"embeddings": [[0.0], [np.nan], [np.inf]]}, ValueError, r"2 of 3 rows \(1, 2\)"),
        ({"embeddings": [0.0, 1.0, 2.0]}, ValueError, r"shape \(3,\)"),
        ({"distance": "cosinus"}, ValueError, "'cosinus' is not known"),
        ({"ks": (0,)}, ValueError, "each 1 or more"),
        ({"references": [[0.0]]}, ValueError, "reference_labels is missing"),
        ({"references": [[0.0, 1.0]], "reference_labels": [0]}, ValueError, "2 columns but embeddings 1"),
        ({"distance": lambda x, y: np.zeros(3)}, ValueError, r"distance returned shape \(3,\)"),
    ],
)
def test_wrong_input_is_named(change, error, message):
    given = {"embeddings": [[0.0], [1.0], [2.0]], "labels": [0, 0, 1], **change}
    with pytest.raises(error, match=message):
        retrieval(given.pop("embeddings"), given.pop("labels"), **given)


def test_a_function_is_a_distance(random):
    rows, labels = random.normal(size=(50, 4)), random.integers(0, 5, 50)
    squared = retrieval(rows, labels, distance=lambda x, y: ((x[:, None] - y[None]) ** 2).sum(axis=2))
    assert squared.to_dict() == retrieval(rows, labels).to_dict()


def test_tensors_of_other_frameworks(random):
    torch = pytest.importorskip("torch")
    rows, labels = random.integers(-4, 4, size=(30, 4)).astype(np.float32), random.integers(0, 3, 30)
    expected = retrieval(rows, labels).to_dict()
    tensor = torch.tensor(rows, requires_grad=True)
    assert retrieval(tensor, torch.tensor(labels)).to_dict() == expected
    assert retrieval(tensor.to(torch.bfloat16), torch.tensor(labels)).to_dict() == expected
    jax = pytest.importorskip("jax.numpy")
    assert retrieval(jax.asarray(rows), jax.asarray(labels)).to_dict() == expected


def test_classes_and_their_means(random):
    rows, labels = random.normal(size=(90, 4)), random.choice(["a", "b", "c"], 90)
    result = retrieval(rows, labels)
    classes = result.per_class()
    assert list(classes) == ["a", "b", "c"]
    assert sum(values["queries"] for values in classes.values()) == 90
    weighted = sum(values["map_at_r"] * values["queries"] for values in classes.values()) / 90
    assert weighted == pytest.approx(result.map_at_r)
    assert classes["b"]["mrr"] == pytest.approx(result.per_query["mrr"][labels == "b"].mean())
    json.dumps(result.to_dict())


def test_intervals_have_the_width_of_the_central_limit(random):
    rows, labels = random.normal(size=(3000, 3)), random.integers(0, 3, 3000)
    result = retrieval(rows, labels, ks=(1,))
    p = result.precision_at_1
    low, high = result.intervals(resamples=2000)["precision_at_1"]
    assert low < p < high
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(p * (1 - p) / 3000), rel=0.1)


def test_intervals_by_class_draw_whole_classes(random):
    # 50 classes of 40 queries that are all right or all wrong: as good as 50 draws, not 2000
    labels = np.repeat(np.arange(50), 40)
    rows = np.arange(50)[labels] * 10.0 + random.random(2000)
    rows[labels % 2 == 1] = (
        np.arange(1000) * 10 + 5000.0
    )  # one by one, with a foreign neighbour at their side
    references = np.concatenate([rows, rows[labels % 2 == 1] + 0.1])
    reference_labels = np.concatenate([labels, labels[labels % 2 == 1] + 1000])
    result = retrieval(
        rows[:, None] + 0.01,
        labels,
        references=references[:, None],
        reference_labels=reference_labels,
        ks=(1,),
    )
    shares = [values["r_precision"] for values in result.per_class().values()]
    low, high = result.intervals(by="class", resamples=4000)["r_precision"]
    assert high - low == pytest.approx(2 * 1.96 * np.std(shares) / math.sqrt(50), rel=0.1)
    by_query = result.intervals(resamples=4000)["r_precision"]
    assert high - low > 3 * (by_query[1] - by_query[0])
    assert result.intervals(seed=1) == result.intervals(seed=1) != result.intervals(seed=2)


def test_progress_is_told(random):
    told = []
    retrieval(
        random.normal(size=(50, 2)), random.integers(0, 3, 50), progress=lambda *done: told.append(done)
    )
    assert told[-1] == (50, 50)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_is_that_of_a_block():
    # the whole matrix would take 576 MB as float32 and 1.15 GB as float64
    script = (
        "import re, numpy as np; from nearfar.evaluation import retrieval\n"
        "rows = np.random.default_rng(0).standard_normal((12000, 16), dtype=np.float32)\n"
        "for classes in (2400, 10):\n"
        "    retrieval(rows, np.arange(12000) % classes)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1e3 < 350  # MB, of which Python and NumPy take 40
