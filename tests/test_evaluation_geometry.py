"""Clustering, geometry and the comparison of runs."""

import json
import math

import numpy as np
import pytest
from evaluation_loops import plain_distances

from nearfar.evaluation import clustering, compare, geometry, retrieval, verification


@pytest.fixture
def random():
    return np.random.default_rng(7)


def test_clusters_that_are_the_classes_are_perfect(random):
    labels = np.arange(90) % 3
    result = clustering(random.normal(size=(90, 2)) * 0.1 + np.eye(3, 2)[labels] * 20, labels)
    assert (result.nmi, result.ami, result.clusters, result.items) == (
        pytest.approx(1),
        pytest.approx(1),
        3,
        90,
    )


def test_mutual_information_by_hand():
    # clusters {0, 0, 1} and {1, 1, 0}: I = 2/3 log(4/3) + 1/3 log(2/3), and both entropies are log 2
    rows = np.array([[0.0], [0.0], [0.0], [9.0], [9.0], [9.0]])
    result = clustering(rows, [0, 0, 1, 1, 1, 0])
    information = 2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)
    assert result.nmi == pytest.approx(information / math.log(2), rel=1e-6)


def test_random_clusters_have_no_adjusted_information(random):
    result = clustering(random.normal(size=(300, 4)), random.integers(0, 40, 300))
    assert abs(result.ami) < 0.06 < 0.3 < result.nmi


@pytest.mark.filterwarnings("error")
def test_clustering_of_little():
    assert clustering(np.zeros((0, 2)), np.zeros(0, int)).to_dict() == {
        "nmi": 0.0, "ami": 0.0, "clusters": 0, "items": 0,
    }  # fmt: skip
    assert clustering(np.ones((6, 2)), [0, 0, 1, 1, 2, 2]).ami == pytest.approx(0)


def test_alignment_and_uniformity_are_the_papers(random):
    rows, labels = random.normal(size=(60, 5)), random.integers(0, 9, 60)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    squared = {(i, j): ((unit[i] - unit[j]) ** 2).sum() for i in range(60) for j in range(i)}
    result = geometry(rows, labels)
    of_one_class = [value for (i, j), value in squared.items() if labels[i] == labels[j]]
    assert result.alignment == pytest.approx(np.mean(of_one_class))
    assert result.uniformity == pytest.approx(math.log(np.mean([math.exp(-2 * v) for v in squared.values()])))
    assert geometry(rows).alignment == 0.0


def test_effective_rank_counts_directions(random):
    directions = np.linalg.qr(random.normal(size=(6, 6)))[0]
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])  # two directions of equal singular value, centred
    result = geometry(signs @ directions[:2] + 7)
    assert result.effective_rank == pytest.approx(2) and result.collapsed_dimensions == pytest.approx(4 / 6)
    # singular values 3 : 1 have shares 3/4 and 1/4
    result = geometry((signs * [3, 1]) @ directions[:2])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert result.effective_rank == pytest.approx(math.exp(entropy))
    assert geometry(signs[:3] @ directions[:2]).dimensions == 6  # fewer rows than dimensions


def test_hubness_is_the_skewness_of_occurrences(random):
    from scipy.stats import skew

    rows = random.normal(size=(80, 30))
    distances = plain_distances(rows, rows, "euclidean")
    np.fill_diagonal(distances, np.inf)
    occurrences = np.bincount(np.argsort(distances, axis=1)[:, :10].reshape(-1), minlength=80)
    assert geometry(rows).hubness == pytest.approx(skew(occurrences))


def test_collapse_is_seen():
    result = geometry(np.ones((20, 4)), np.arange(20) % 2)
    assert result.collapsed_dimensions == 1.0 and result.effective_rank == 0.0
    assert result.alignment == pytest.approx(0) and result.uniformity == pytest.approx(0)
    assert set(geometry(np.ones((1, 4))).to_dict().values()) == {0.0, 4, 1}


def test_geometry_of_many_is_sampled(random):
    rows = random.normal(size=(500, 3))
    some = geometry(rows, most=200)
    assert (some.items, some.items_compared) == (500, 200)
    assert some.uniformity == pytest.approx(geometry(rows).uniformity, abs=0.1)


@pytest.fixture
def compared(random):
    labels = random.integers(0, 15, 400)
    centres = random.normal(size=(15, 6))[labels]
    noise = random.normal(size=(400, 6))
    runs = {"one | a": centres + noise * 1.5, "two": centres + noise * 1.3, "three": centres + noise * 1.5}
    runs["three"] = runs["one | a"][:, ::-1].copy()  # turned: the same distances
    return {name: retrieval(rows, labels) for name, rows in runs.items()}, {
        name: verification(rows, labels) for name, rows in runs.items()
    }


def test_differences_are_paired(compared):
    retrievals, verifications = compared
    result = compare(retrievals, verifications, resamples=400)
    assert result.baseline == "one | a" and result.counts == {"queries": 400, "pairs": 79800}
    better = result.entries["two"]["map_at_r"]
    assert better.differs and better.difference == pytest.approx(
        retrievals["two"].map_at_r - retrievals["one | a"].map_at_r
    )
    gains = retrievals["two"].per_query["map_at_r"] - retrievals["one | a"].per_query["map_at_r"]
    low, high = better.difference_interval
    assert high - low == pytest.approx(
        2 * 1.96 * gains.std() / 20, rel=0.15
    )  # of the difference, not of the values
    assert high - low < better.interval[1] - better.interval[0]
    for name in ("precision_at_1", "auc", "tar_at_far_0.01"):
        same = result.entries["three"][name]
        assert same.difference_interval == pytest.approx((0, 0), abs=1e-12) and not same.differs
    assert result.entries["two"]["auc"].difference == pytest.approx(
        verifications["two"].auc - verifications["one | a"].auc
    )


def test_comparison_is_written(compared, tmp_path):
    result = compare(compared[0], baseline="two", resamples=50, by="class")
    files = result.write(tmp_path)
    assert sorted(path.name for path in files) == ["comparison.json", "comparison.md", "comparison.png"]
    assert json.loads((tmp_path / "comparison.json").read_text())["runs"]["two"]["mrr"]["difference"] == 0.0
    lines = (tmp_path / "comparison.md").read_text().splitlines()
    assert lines[0] == "| measure | one \\| a | two | three |"
    assert {line.count(" | ") for line in lines[2:10]} == {3}
    assert "**-" in lines[4]
    assert (tmp_path / "comparison.png").read_bytes()[:4] == b"\x89PNG"


def test_only_like_is_compared(compared, random):
    retrievals, verifications = compared
    other = retrieval(random.normal(size=(400, 2)), random.integers(0, 3, 400))
    with pytest.raises(ValueError, match="of other queries"):
        compare({**retrievals, "other": other})
    with pytest.raises(ValueError, match="other runs"):
        compare(retrievals, {"two": verifications["two"]})
    with pytest.raises(ValueError, match="'none' is not among"):
        compare(retrievals, baseline="none")
    with pytest.raises(ValueError, match="at least one run"):
        compare({})
