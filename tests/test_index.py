"""The index: search, matching, calibration, growing and shrinking."""

import numpy as np
import pytest
from evaluation_loops import plain_distances, rows_of

from nearfar import EmbeddingIndex

DISTANCES = ("euclidean", "squared_euclidean", "cosine", "manhattan", "chebyshev", "dot")


@pytest.fixture
def random():
    return np.random.default_rng(3)


def plain_search(distances, k):
    order = np.array([sorted(range(len(row)), key=lambda j: (row[j], j))[:k] for row in distances])
    order = order.reshape(len(distances), -1).astype(int)
    return np.take_along_axis(distances, order, axis=1), order


def some_backends(*names):
    faiss = pytest.mark.skipif(not _has_faiss(), reason="faiss is not installed")
    return [pytest.param(name, marks=faiss if name != "exact" else ()) for name in names]


def _has_faiss():
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("kind", ["normal", "duplicates", "far from the origin", "many scales"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_search_is_the_loop(distance, kind, random):
    rows, queries = rows_of(kind, 300, 5, random), rows_of(kind, 20, 5, random)
    distances, indices = EmbeddingIndex(rows, distance=distance).search(queries, 7)
    expected, order = plain_search(plain_distances(queries, rows, distance), 7)
    assert distances.dtype == np.float64
    np.testing.assert_allclose(distances, expected, rtol=1e-6, atol=1e-15 * np.abs(expected).max())
    if not (distance == "cosine" and kind == "duplicates"):  # equal cosines differ by rounding in the loop
        assert indices.tolist() == order.tolist()


@pytest.mark.parametrize("backend", some_backends("faiss-flat", "faiss-ivf", "faiss-hnsw"))
@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean", "cosine", "dot"])
def test_faiss_finds_the_same(backend, distance, random):
    # faiss itself works in float32: it can take a common offset off a distance, not off a product
    kind = "far from the origin" if "euclidean" in distance else "normal"
    rows, queries = rows_of(kind, 600, 6, random), rows_of(kind, 15, 6, random)
    options = {"faiss-ivf": {"nlist": 5, "nprobe": 5}, "faiss-hnsw": {"ef_search": 600, "m": 16}}.get(backend)
    index = EmbeddingIndex(rows, distance=distance, backend=backend, options=options)
    exact = EmbeddingIndex(rows, distance=distance)
    for where in (None, np.arange(600) % 7 == 0):
        found, expected = index.search(queries, 9, where=where), exact.search(queries, 9, where=where)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
        assert found[1].tolist() == expected[1].tolist()
    new = index.add(rows[:2] + 0.01)
    assert (index.search(rows[:2] + 0.01, 1)[1][:, 0] == new).all() or distance in ("cosine", "dot")


@pytest.mark.parametrize("backend", some_backends("faiss-ivf"))
def test_what_an_approximate_search_misses_is_marked(backend, random):
    rows = np.concatenate([random.normal(size=(200, 2)), random.normal(size=(200, 2)) + 100])
    index = EmbeddingIndex(rows, backend=backend, options={"nlist": 2, "nprobe": 1})
    distances, indices = index.search([[0.0, 0.0]], 300)
    assert (
        (indices[0, :200] < 200).all()
        and (indices[0, 200:] == -1).all()
        and np.isinf(distances[0, 200:]).all()
    )


def test_k_is_cut_to_the_rows(random):
    index = EmbeddingIndex(random.normal(size=(4, 3)))
    distances, indices = index.search(np.zeros((2, 3)), 10)
    assert distances.shape == indices.shape == (2, 4)
    assert index.search(np.zeros((0, 3)), 2)[1].shape == (0, 2)
    assert index.search(np.zeros((2, 3)), 2, where=np.zeros(4, bool))[1].shape == (2, 0)


def test_an_empty_index_grows(random):
    index = EmbeddingIndex(np.zeros((0, 3)))
    assert index.search(np.zeros((1, 3)), 2)[0].shape == (1, 0)
    assert index.add(np.eye(3), ["a", "b", "c"], payload={"n": [1, 2, 3]}).tolist() == [0, 1, 2]
    assert index.match(np.eye(3)[1:], threshold=0.1) == ["b", "c"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"colour": "red"}, [0, 3]),
        ({"colour": ["red", "blue"], "year": 2000}, [3]),
        ({"label": 7}, [1, 3]),
        ({"note": None}, [0, 2]),
        (np.array([False, True, True, False]), [1, 2]),
        (lambda columns: columns["year"] > 1999, [1, 3]),
    ],
    ids=["value", "values", "label", "none", "mask", "function"],
)
def test_filters(where, expected):
    payload = {
        "colour": ["red", "green", "blue", "red"],
        "year": [1999, 2010, 1990, 2000],
        "note": [None, "x", None, 1],
    }
    index = EmbeddingIndex(np.arange(4.0)[:, None], [5, 7, 5, 7], payload=payload)
    assert index.search([[0.0]], 4, where=where)[1][0].tolist() == expected


def test_growing_and_shrinking_is_building_anew(random):
    rows, labels = random.normal(size=(60, 4)).astype(np.float32), random.integers(0, 9, 60)
    names = np.array([f"row {i}" for i in range(60)])
    index = EmbeddingIndex(rows[:10], labels[:10], payload={"name": names[:10]})
    for start, stop in ((10, 11), (11, 40), (40, 60)):
        positions = index.add(rows[start:stop], labels[start:stop], payload={"name": names[start:stop]})
        assert positions.tolist() == list(range(start, stop))
    assert index.remove([3, 3, 59]) == 2
    assert index.remove(where={"label": 4}) == (np.delete(labels, [3, 59]) == 4).sum()
    left = np.setdiff1d(np.flatnonzero(labels != 4), [3, 59])
    fresh = EmbeddingIndex(rows[left], labels[left], payload={"name": names[left]})
    assert len(index) == len(fresh) and index.labels.tolist() == fresh.labels.tolist()
    assert index.payload["name"].tolist() == fresh.payload["name"].tolist()
    queries = random.normal(size=(5, 4))
    for mine, other in zip(index.search(queries, 6), fresh.search(queries, 6), strict=True):
        assert mine.tolist() == other.tolist()


def test_the_callers_array_stays_the_callers():
    rows = np.zeros((3, 2), np.float32)
    index = EmbeddingIndex(rows)
    rows[:] = 9
    assert not index.embeddings.any()
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(3, 2)
    index = EmbeddingIndex(tensor)
    tensor += 9
    assert not index.embeddings.any()


def test_labels_keep_their_digits_and_types():
    index = EmbeddingIndex([[0.0]], np.array([2**53 + 1]))
    index.add([[1.0]], np.array([2**64 - 1], dtype=np.uint64))
    index.add([[2.0]], ["x"])
    assert index.match([[0.0], [1.0], [2.0], [9.0]], threshold=0.5) == [2**53 + 1, 2**64 - 1, "x", None]


# -- thresholds --


def some_classes(random, count=240):
    labels = random.integers(0, 12, count)
    return random.normal(size=(count, 6)) * 0.6 + random.normal(size=(12, 6))[labels] * 1.2, labels


@pytest.mark.parametrize("far", [0.0, 1e-3, 0.02, 0.5, 1.0])
def test_threshold_holds_the_false_accept_rate(far, random):
    rows, labels = some_classes(random)
    index = EmbeddingIndex(rows, labels)
    threshold = index.calibrate(far=far)
    upper = np.triu_indices(240, 1)
    distances = plain_distances(rows, rows, "euclidean")[upper]
    same = labels[upper[0]] == labels[upper[1]]
    accepted = distances <= threshold
    assert accepted[~same].mean() <= far
    beyond = distances[distances > threshold]
    if len(beyond):  # the next threshold would accept too many
        assert ((distances <= beyond.min())[~same]).mean() > far
    assert index.threshold == threshold
    assert (
        index.calibration["far"] == accepted[~same].mean()
        and index.calibration["frr"] == 1 - accepted[same].mean()
    )


def test_calibration_on_other_queries(random):
    (rows, labels), (queries, query_labels) = some_classes(random), some_classes(random, 50)
    index = EmbeddingIndex(rows, labels)
    threshold = index.calibrate(queries, query_labels, far=0.01)
    distances = plain_distances(queries, rows, "euclidean")
    same = query_labels[:, None] == labels[None]
    assert 0.009 < (distances <= threshold)[~same].mean() <= 0.01


@pytest.mark.parametrize("precision", [0.5, 0.9, 0.97, 1.0])
def test_threshold_holds_the_precision(precision, random):
    rows, labels = some_classes(random)
    index = EmbeddingIndex(rows, labels)
    threshold = index.calibrate(precision=precision)
    distances = plain_distances(rows, rows, "euclidean")
    np.fill_diagonal(distances, np.inf)
    nearest, right = distances.min(axis=1), labels[distances.argmin(axis=1)] == labels
    accepted = nearest <= threshold
    assert right[accepted].mean() >= precision
    for larger in np.unique(nearest[nearest > threshold]):
        assert right[nearest <= larger].mean() < precision
    assert index.calibration["precision"] == right[accepted].mean()
    assert index.calibration["coverage"] == accepted.mean()


def test_a_precision_out_of_reach_matches_nothing():
    index = EmbeddingIndex([[0.0], [1.0], [5.0], [6.0]], [0, 1, 0, 1])
    threshold = index.calibrate(precision=0.9)
    assert threshold < 1.0 and index.calibration["coverage"] == 0.0
    assert index.match([[2.5]]) == [None]


def test_match_says_no(random):
    index = EmbeddingIndex([[0.0], [10.0]], ["near", "far"])
    index.threshold = 2.0
    assert index.match([[1.5], [2.5], [9.0]]) == ["near", None, "far"]
    assert index.match([[2.5]], threshold=2.5) == ["near"]
    assert index.match([[1.0]], where={"label": "far"}) == [None]


def test_a_rate_below_what_the_pairs_show_warns():
    index = EmbeddingIndex([[0.0], [0.1], [5.0], [5.1]], [0, 0, 1, 1])
    with pytest.warns(UserWarning, match="below 1 / 4"):
        index.calibrate(far=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.search([[0.0]], 0), "k is 0"),
        (lambda index: index.search([[0.0, 1.0]], 1), "2 columns but the index 1"),
        (lambda index: index.search([[np.nan]], 1), "queries has NaN or infinity in 1 of 1 rows"),
        (
            lambda index: index.search([[0.0]], 1, where={"size": 3}),
            "where names 'size'; expected one of label, name",
        ),
        (lambda index: index.search([[0.0]], 1, where=[0, 1]), "expected a bool for each of 2 rows"),
        (lambda index: index.match([[0.0]]), "no threshold"),
        (lambda index: index.add([[0.0]], [1]), "payload has columns"),
        (lambda index: index.add([[0.0]], payload={"name": ["c"]}), "has labels"),
        (lambda index: index.add([[0.0, 1.0]], [1], payload={"name": ["c"]}), "2 columns but the index 1"),
        (lambda index: index.remove([2]), "rows names 2 to 2"),
        (lambda index: index.remove(), "one of the two"),
        (lambda index: index.calibrate(far=0.1, precision=0.5), "not both"),
        (lambda index: index.calibrate(far=1.5), "between 0 and 1"),
        (lambda index: index.calibrate([[0.0]]), "embeddings and labels, or neither"),
        (lambda index: EmbeddingIndex([[0.0]], payload={"a": [1, 2]}), "'a' has 2 values for 1 rows"),
        (lambda index: EmbeddingIndex([[0.0]], backend="annoy"), "backend 'annoy' is not known"),
        (
            lambda index: EmbeddingIndex([[0.0]], distance="manhattan", backend="faiss-flat"),
            "no distance 'manhattan'",
        ),
        (lambda index: EmbeddingIndex([[0.0]]).match([[0.0]], threshold=1), "no labels"),
        (lambda index: EmbeddingIndex([[0.0]]).calibrate(), "no labels"),
        (lambda index: EmbeddingIndex([[0.0], [1.0]], [1, 1]).calibrate(), "no pair of different classes"),
    ],
)
def test_wrong_calls_change_nothing(call, message):
    index = EmbeddingIndex([[0.0], [1.0]], [0, 1], payload={"name": ["a", "b"]})
    with pytest.raises(ValueError, match=message):
        call(index)
    assert len(index) == 2 and index.labels.tolist() == [0, 1] and list(index.payload["name"]) == ["a", "b"]
