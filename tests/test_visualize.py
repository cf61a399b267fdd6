"""Projections, neighbours and what is taken in, against independent calculations."""

import io
import subprocess
import sys

import numpy as np
import pytest
from blobs import blobs

from nearfar import visualize
from nearfar.visualize.files import written_whole
from nearfar.visualize.inputs import as_embeddings, as_labels, as_texts
from nearfar.visualize.neighbors import farthest_of_the_same, nearest_of_another_class
from nearfar.visualize.thumbnails import as_thumbnails, is_ink

Image = pytest.importorskip("PIL.Image")


# projections


@pytest.mark.parametrize("shape", [(50, 5), (20, 60)])
def test_pca_is_that_of_scikit_learn_up_to_sign(shape):
    decomposition = pytest.importorskip("sklearn.decomposition")
    rows = np.random.default_rng(0).normal(size=shape) @ np.diag(np.linspace(1, 4, shape[1])) + 7
    ours = visualize.project(rows)
    theirs = decomposition.PCA(2, svd_solver="full").fit_transform(rows)
    theirs *= np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_pca_never_draws_two_points_farther_apart_than_they_are():
    rows, _, _ = blobs()
    flat = visualize.project(rows).astype(np.float64)
    drawn = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    real = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None], axis=-1)
    assert (drawn <= real + 1e-4).all()


def test_pca_does_not_depend_on_the_sign_that_the_solver_returns():
    # the coordinate in which a direction is longest counts positive, so larger means farther right
    assert visualize.project([[-2.0, 0.0], [0.0, 0.0], [3.0, 0.1]])[:, 0].argmax() == 2


@pytest.mark.parametrize("rows", [np.zeros((0, 4)), np.ones((1, 4)), np.ones((5, 4)), np.ones((5, 1))])
def test_pca_of_nothing_one_row_or_equal_rows_is_finite(rows):
    flat = visualize.project(rows)
    assert flat.shape == (len(rows), 2)
    assert not flat.any()


def test_one_dimension_is_drawn_on_a_line():
    flat = visualize.project([[3.0], [5.0], [1.0]])
    np.testing.assert_allclose(flat, [[0, 0], [2, 0], [-2, 0]], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["umap", "pacmap"])
def test_neighbourhood_layouts_keep_clusters_and_repeat_with_their_seed(method, monkeypatch):
    pytest.importorskip({"umap": "umap"}.get(method, method))
    rows, labels, _ = blobs(apart=8)
    flat = visualize.project(rows, method, seed=3)
    assert flat.shape == (len(rows), 2)
    _, near = visualize.nearest_neighbors(flat, 1)
    assert (labels[near[:, 0]] == labels).mean() > 0.95
    np.testing.assert_array_equal(flat, visualize.project(rows, method, seed=3))  # the one it remembers
    monkeypatch.setattr("nearfar.visualize.projections._recent", {})
    np.testing.assert_array_equal(flat, visualize.project(rows, method, seed=3))


def test_a_method_that_is_unknown_or_not_installed_is_told(monkeypatch):
    with pytest.raises(ValueError, match="'tsne' is not known; expected some of pca, umap, pacmap"):
        visualize.project(np.ones((3, 2)), "tsne")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "numpy" or None)
    assert visualize.available_projections() == ["pca"]
    with pytest.raises(ImportError, match="pip install umap-learn"):
        visualize.project(np.ones((30, 2)), "umap")


# neighbours


@pytest.mark.parametrize(
    ("distance", "metric"),
    [("euclidean",) * 2, ("squared_euclidean", "sqeuclidean"), ("cosine",) * 2, ("manhattan", "cityblock")],
)
def test_neighbours_are_those_of_the_whole_distance_matrix(distance, metric):
    cdist = pytest.importorskip("scipy.spatial.distance").cdist
    rows, _, _ = blobs(apart=1)
    whole = cdist(rows.astype(np.float64), rows.astype(np.float64), metric)
    np.fill_diagonal(whole, np.inf)
    order = np.argsort(whole, axis=1, kind="stable")[:, :10]
    distances, positions = visualize.nearest_neighbors(rows, distance=distance)
    np.testing.assert_array_equal(positions, order)
    np.testing.assert_allclose(distances, np.take_along_axis(whole, order, axis=1), rtol=1e-6)


def test_neighbours_are_cut_to_the_others_and_may_be_asked_for_some_rows():
    distances, positions = visualize.nearest_neighbors([[0.0], [1.0], [5.0]], 10, queries=[2, 0])
    assert positions.tolist() == [[1, 0], [1, 2]]
    assert distances.tolist() == [[4, 5], [1, 5]]


@pytest.mark.parametrize("alike", [True, False])
def test_pairs_that_fool_are_the_extremes_of_all_pairs_without_an_item_twice(alike):
    rows, labels, _ = blobs(apart=1, dims=3)
    whole = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None], axis=-1)
    pairs = [(i, j) for j in range(len(rows)) for i in range(j) if (labels[i] == labels[j]) == alike]
    used, expected = set(), []
    for i, j in sorted(pairs, key=lambda pair: -whole[pair] if alike else whole[pair]):
        if len(expected) < 12 and not used & {i, j}:
            used |= {i, j}
            expected.append((i, j))
    find = farthest_of_the_same if alike else nearest_of_another_class
    found = find(rows, labels, 12)
    assert [(left, right) for left, right, _ in found] == expected
    np.testing.assert_allclose([gap for _, _, gap in found], [whole[pair] for pair in expected], rtol=1e-6)


def test_pairs_of_a_kind_that_does_not_exist_are_none():
    rows = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    assert nearest_of_another_class(rows, np.zeros(5, np.int64), 3) == []
    assert farthest_of_the_same(rows, np.arange(5), 3) == []


# what is taken in


def test_tensors_that_need_a_gradient_and_half_precision_are_taken():
    torch = pytest.importorskip("torch")
    rows = torch.ones(3, 2, requires_grad=True)
    np.testing.assert_array_equal(as_embeddings(rows), np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(as_embeddings(rows.bfloat16()), np.ones((3, 2), np.float32))


def test_wrong_shapes_and_numbers_are_told():
    with pytest.raises(ValueError, match=r"embeddings has shape \(3,\); expected \(n, d\)"):
        as_embeddings([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"NaN or infinity in 2 of 3 rows \(first: row 1\)"):
        as_embeddings([[0.0, 1.0], [np.nan, 1.0], [0.0, np.inf]])
    with pytest.raises(ValueError, match=r"labels has shape \(2,\) but embeddings has 3 rows"):
        as_labels([1, 2], 3)
    with pytest.raises(ValueError, match="metadata column 'name'"):
        visualize.write_projector("unused", np.ones((2, 2)), [0, 1], metadata={"name": ["a"]})
    with pytest.raises(ValueError, match="images has 1 entries but embeddings has 2 rows"):
        as_thumbnails(np.zeros((1, 4, 4)), 2)
    with pytest.raises(ValueError, match=r"an image has shape \(4, 4, 5\)"):
        as_thumbnails(np.zeros((1, 4, 4, 5)), 1)


def test_labels_keep_all_bits_and_a_last_axis_of_one_is_squeezed():
    big = np.array([[2**53], [2**53 + 1]])
    assert as_texts(as_labels(big, 2)) == ["9007199254740992", "9007199254740993"]
    assert as_texts(as_labels([b"caf\xc3\xa9"], 1)) == ["café"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([[[0, 255]], [[7, 9]]], np.uint8), [[0, 255], [7, 9]]),
        (np.array([[[0.0, 1.0]], [[0.2, 0.6]]]), [[0, 255], [51, 153]]),
        (np.array([[[0.0, 200.0]], [[10.0, 20.0]]]), [[0, 200], [10, 20]]),
        (np.array([[[-1.0, 1.0]], [[0.0, 0.5]]]), [[0, 255], [128, 191]]),
        ([np.array([[0.0, 16.0]]), np.array([[8.0, 4.0]])], [[0, 255], [128, 64]]),
        (np.array([[[True, False]], [[False, False]]]), [[255, 0], [0, 0]]),
    ],
)
def test_pictures_of_any_numbers_keep_one_scale_over_all_of_them(given, expected):
    assert as_thumbnails(given, 2)[:, 0].tolist() == expected


def test_pictures_of_different_kinds_and_sizes_become_squares_of_one_size():
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), (200, 10, 30)).save(buffer, "PNG")
    clear = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    tiles = as_thumbnails([buffer.getvalue(), clear, np.full((10, 10), 9, np.uint8), None], 4, 20)
    assert tiles.shape == (4, 20, 20, 3)
    assert tiles[0, 10, 10].tolist() == [200, 10, 30]
    assert not tiles[0, :5].any() and not tiles[0, 15:].any()  # twice as wide as high: bands above and below
    assert tiles[1, 10, 10].tolist() == [255, 255, 255]  # transparent is white
    assert tiles[2, 10, 10].tolist() == [9, 9, 9]
    assert not tiles[3].any()


def test_drawings_are_told_from_photographs():
    drawing = np.zeros((4, 12, 12), np.uint8)
    drawing[:, 3:9, 5] = 255
    assert is_ink(drawing)
    assert not is_ink(255 - drawing)
    assert not is_ink(np.repeat(drawing[..., None], 3, axis=3))


def test_a_file_that_fails_halfway_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as beside:
        beside.write_text("ne")
        raise RuntimeError
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]
    assert path.read_text() == "old"


def test_importing_needs_numpy_alone():
    code = """
import sys, nearfar.visualize
print([name for name in ("matplotlib", "PIL", "sklearn", "scipy", "torch") if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"
