"""Projections, projector files and plots, against independent readers and calculations."""

import io
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from nearfar import visualize
from nearfar.visualize.files import written_whole
from nearfar.visualize.inputs import as_embeddings, as_labels, as_texts
from nearfar.visualize.neighbors import farthest_of_the_same, nearest_of_another_class
from nearfar.visualize.thumbnails import as_thumbnails, is_ink

Image = pytest.importorskip("PIL.Image")


def blobs(classes=6, each=20, dims=8, apart=4.0, seed=0):
    """Embeddings in clusters, their labels, and 10 x 10 grey pictures."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    centres = apart * random.normal(size=(classes, dims))
    rows = (centres[labels] + random.normal(size=(len(labels), dims))).astype(np.float32)
    images = random.integers(0, 255, (len(labels), 10, 10), dtype=np.uint8)
    return rows, labels, images


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
def test_neighbourhood_layouts_keep_clusters_and_repeat_with_their_seed(method):
    pytest.importorskip({"umap": "umap"}.get(method, method))
    rows, labels, _ = blobs(apart=8)
    flat = visualize.project(rows, method, seed=3)
    assert flat.shape == (len(rows), 2)
    _, near = visualize.nearest_neighbors(flat, 1)
    assert (labels[near[:, 0]] == labels).mean() > 0.95
    np.testing.assert_array_equal(flat, visualize.project(rows, method, seed=3))


def test_a_method_that_is_unknown_or_not_installed_is_told(monkeypatch):
    with pytest.raises(
        ValueError, match="Unknown projection 'tsne'; expected one of 'pca', 'umap', 'pacmap'"
    ):
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


# projector files


def served(folder):
    """What TensorBoard's own projector answers for a folder."""
    plugin = pytest.importorskip("tensorboard.plugins.projector.projector_plugin")
    base = pytest.importorskip("tensorboard.plugins.base_plugin")
    client = pytest.importorskip("werkzeug.test").Client
    wrappers = pytest.importorskip("werkzeug.wrappers")
    apps = plugin.ProjectorPlugin(base.TBContext(logdir=str(folder))).get_plugin_apps()

    def get(route, **query):
        response = client(apps[route], wrappers.Response).get("/", query_string=query)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response

    return get


def test_tensorboard_reads_what_was_written(tmp_path):
    rows, labels, images = blobs(each=5)
    names = np.array(["a\tb", "c\nd", 'quote"', "é与", "", "f"])[labels]
    written = visualize.write_projector(
        tmp_path,
        rows,
        names,
        metadata={"number": np.arange(30), "share": np.linspace(0, 1, 30)},
        images=images,
    )
    assert [path.name for path in written] == ["vecs.tsv", "meta.tsv", "sprite.png", "projector_config.pbtxt"]
    get = served(tmp_path)
    config = get("/info", run=".").get_json()["embeddings"][0]
    assert config["tensorName"] == "embedding"
    assert config["sprite"]["singleImageDim"] == [10, 10]
    tensor = np.frombuffer(get("/tensor", run=".", name="embedding", num_rows=1000).get_data(), np.float32)
    np.testing.assert_array_equal(tensor.reshape(rows.shape), rows)  # bit for bit
    lines = get("/metadata", run=".", name="embedding", num_rows=1000).get_data(as_text=True).split("\n")
    assert lines[0] == "label\tnumber\tshare"
    cells = [line.split("\t") for line in lines[1:31]]
    assert [row[0] for row in cells] == np.array(["a\\tb", "c\\nd", 'quote"', "é与", "", "f"])[
        labels
    ].tolist()
    assert [row[1] for row in cells] == [str(i) for i in range(30)]
    sprite = np.asarray(Image.open(io.BytesIO(get("/sprite_image", run=".", name="embedding").get_data())))
    assert sprite.shape == (60, 60)  # 30 pictures in a square of 6 x 6
    for i in (0, 7, 29):
        tile = sprite[10 * (i // 6) : 10 * (i // 6) + 10, 10 * (i % 6) : 10 * (i % 6) + 10]
        np.testing.assert_array_equal(tile, images[i])


def test_one_column_has_no_header_and_no_line_that_the_projector_would_skip(tmp_path):
    visualize.write_projector(tmp_path, np.eye(4), ["a", "", "  ", "b\r\n"])
    assert (tmp_path / "meta.tsv").read_bytes() == b"a\n(empty)\n(empty)\nb\\r\\n\n"
    lines = served(tmp_path)("/metadata", run=".", name="embedding", num_rows=9).get_data(as_text=True)
    assert len(lines.strip("\n").split("\n")) == 4


def test_without_labels_and_pictures_there_are_only_vectors(tmp_path):
    written = visualize.write_projector(tmp_path, np.eye(3))
    assert [path.name for path in written] == ["vecs.tsv", "projector_config.pbtxt"]
    assert "metadata" not in (tmp_path / "projector_config.pbtxt").read_text()
    with pytest.raises(ValueError, match="embeddings has 0 rows"):
        visualize.write_projector(tmp_path, np.zeros((0, 3)))


def test_a_sprite_never_exceeds_what_the_projector_draws(tmp_path, monkeypatch):
    monkeypatch.setattr("nearfar.visualize.projector._WIDEST", 64)
    visualize.write_projector(tmp_path, np.eye(90), images=np.zeros((90, 10, 10), np.uint8))
    assert Image.open(tmp_path / "sprite.png").size == (60, 60)  # ten to a row, six pixels each
    assert (tmp_path / "projector_config.pbtxt").read_text().count("single_image_dim: 6\n") == 2


# plots


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Calls a plot and returns its figure and the picture it saved."""
    figures = pytest.importorskip("matplotlib.figure")
    kept = []
    save = figures.Figure.savefig
    monkeypatch.setattr(
        figures.Figure,
        "savefig",
        lambda self, *args, **kwargs: (kept.append(self), save(self, *args, **kwargs)),
    )

    def draw(plot, *args, **options):
        path = tmp_path / "picture.png"
        plot(path, *args, **options)
        return kept[-1], np.asarray(Image.open(path).convert("RGB"))

    return draw


def overlapping(canvas):
    """Pairs of texts of a figure that lie on each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    agg = FigureCanvasAgg(canvas)
    agg.draw()
    renderer = agg.get_renderer()
    unseen = set()  # ticks beyond the end of an axis exist but are not drawn
    for axis in [axis for axes in canvas.axes for axis in (axes.xaxis, axes.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        unseen |= {label for t in ticks if not low <= t.get_loc() <= high for label in (t.label1, t.label2)}
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in canvas.findobj(Text)
        if text.get_text().strip() and text.get_visible() and text not in unseen
    ]
    found = []
    for i, (name, box) in enumerate(boxes):
        for other, their in boxes[:i]:
            width = min(box.x1, their.x1) - max(box.x0, their.x0)
            height = min(box.y1, their.y1) - max(box.y0, their.y0)
            if width > 1 and height > 1:
                found.append((name, other))
    return found


def every_plot():
    rows, labels, images = blobs()
    long = np.array([f"a rather long class name {i}" for i in labels])
    history = [
        {
            "epoch": e,
            "loss": 1 / e,
            "active_fraction": 0.5,
            "val_recall_at_1": e / 40,
            "mean_positive_distance": 1.0,
        }
        for e in range(1, 31)
    ]
    many = np.arange(120) // 4
    return {
        "embedding": (visualize.plot, (rows, labels), {}),
        "both": (visualize.plot, (rows, long), {"untrained": rows[::-1], "images": images}),
        "many": (visualize.plot, (rows, many), {"images": images[..., None].repeat(3, axis=3)}),
        "roc": (
            visualize.plot_roc,
            (rows, labels),
            {"untrained": rows[::-1], "raw": images.reshape(120, -1)},
        ),
        "histogram": (visualize.plot_histogram, (rows, labels), {"untrained": rows[::-1]}),
        "neighbours": (visualize.plot_neighbors, (rows, long), {"images": images}),
        "texts": (visualize.plot_neighbors, (rows, long), {"queries": 3, "k": 4}),
        "confusions": (visualize.plot_confusions, (rows, long), {"images": images}),
        "curves": (visualize.plot_curves, (history,), {}),
    }


@pytest.mark.parametrize("name", every_plot())
def test_every_plot_is_a_picture_without_overlapping_texts(drawn, name):
    if name in ("roc", "histogram"):
        pytest.importorskip("sklearn")
    plot, data, options = every_plot()[name]
    canvas, picture = drawn(plot, *data, **options, dpi=80)
    assert overlapping(canvas) == []
    np.testing.assert_allclose(picture.shape[1::-1], 80 * canvas.get_size_inches(), atol=1)
    assert (picture < 250).any(axis=2).mean() > 0.005


def test_two_panels_show_the_same_classes_before_and_after(drawn):
    rows, labels, _ = blobs(classes=30, each=4)
    canvas, _ = drawn(visualize.plot, rows, labels, untrained=rows[:, ::-1])
    assert [axes.get_title(loc="left") for axes in canvas.axes] == ["Untrained", "Trained"]
    # grey dots and coloured ones: 23 quiet classes of four items, and seven loud ones
    assert [[len(dots.get_offsets()) for dots in axes.collections] for axes in canvas.axes] == [[92, 28]] * 2
    legend = [text.get_text() for text in canvas.legends[0].get_texts()]
    assert len(legend) == 8 and legend[-1] == "23 other classes"
    colors = [axes.collections[1].get_facecolors()[:, :3] for axes in canvas.axes]
    assert set(Counter(map(tuple, colors[1])).values()) == {4}
    np.testing.assert_array_equal(colors[0], colors[1])


def test_colours_stay_apart_for_the_colour_blind():
    """At least 0.1 apart in Oklab, as Machado et al. 2009 simulate full red-, green- and blue-blindness."""
    from nearfar.visualize.style import COLORS

    kinds = [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
    to_lms = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566]]
    to_lms += [[0.0883024619, 0.2817188376, 0.6299787005]]
    to_lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099]]
    to_lab += [[0.0259040371, 0.7827717662, -0.8086757660]]
    channels = np.array([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in COLORS])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    for kind in kinds:
        seen = np.clip(linear @ np.array(kind).T, 0, 1)
        lab = np.cbrt(seen @ np.array(to_lms).T) @ np.array(to_lab).T
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert apart[~np.eye(len(COLORS), dtype=bool)].min() > 0.1


def test_the_roc_is_that_of_scikit_learn(drawn):
    metrics = pytest.importorskip("sklearn.metrics")
    rows, labels, _ = blobs(apart=0.7)
    canvas, _ = drawn(visualize.plot_roc, rows, labels)
    left, right = np.triu_indices(len(rows), 1)
    distances = np.linalg.norm(rows[left].astype(np.float64) - rows[right], axis=1)
    expected = metrics.roc_curve(labels[left] == labels[right], -distances, drop_intermediate=False)
    area = metrics.roc_auc_score(labels[left] == labels[right], -distances)
    line = canvas.axes[0].lines[0]
    assert f"AUC {area:.3f}" in line.get_label()
    points = set(zip(expected[0].round(9), expected[1].round(9), strict=True))
    assert set(zip(line.get_xdata().round(9), line.get_ydata().round(9), strict=True)) <= points
    assert len(line.get_xdata()) > 500


def test_histograms_have_area_one_and_the_line_stands_where_errors_are_equal(drawn):
    pytest.importorskip("sklearn")
    rows, labels, _ = blobs(apart=0.7)
    canvas, _ = drawn(visualize.plot_histogram, rows, labels)
    axes = canvas.axes[0]
    for stairs in axes.patches:
        values, edges, _ = stairs.get_data()
        np.testing.assert_allclose((values * np.diff(edges)).sum(), 1)
    left, right = np.triu_indices(len(rows), 1)
    distances = np.linalg.norm(rows[left].astype(np.float64) - rows[right], axis=1)
    same = labels[left] == labels[right]
    threshold = axes.lines[0].get_xdata()[0]
    rejected, accepted = (distances[same] > threshold).mean(), (distances[~same] <= threshold).mean()
    assert abs(rejected - accepted) < 2 / same.sum()
    shown = float(re.search(r"([\d.]+) % wrong", axes.texts[0].get_text()).group(1))
    assert shown == pytest.approx(100 * (rejected + accepted) / 2, abs=0.5)


def test_labels_without_a_pair_of_either_kind_are_told(drawn):
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match="no pair of the same class"):
        drawn(visualize.plot_roc, np.eye(3), [0, 1, 2])
    with pytest.raises(ValueError, match="no pair of different classes"):
        drawn(visualize.plot_histogram, np.eye(3), [0, 0, 0])


def test_wrong_neighbours_are_framed_and_right_ones_are_not(drawn):
    from matplotlib.colors import to_hex

    from nearfar.visualize.style import WRONG

    rows, labels, images = blobs(apart=0.8)
    canvas, _ = drawn(visualize.plot_neighbors, rows, labels, images=images, queries=[3, 50, 90], k=6)
    whole = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None], axis=-1)
    np.fill_diagonal(whole, np.inf)
    table = np.array(canvas.axes).reshape(3, 7)
    wrongs = 0
    for line, query in zip(table, [3, 50, 90], strict=True):
        assert line[0].get_xlabel() == str(labels[query])
        for axes, item in zip(line[1:], np.argsort(whole[query])[:6], strict=True):
            edge = axes.spines["left"]
            framed = edge.get_visible() and to_hex(edge.get_edgecolor()).upper() == WRONG
            assert framed == (labels[item] != labels[query])
            assert axes.get_xlabel() == f"{whole[query, item]:.2f}"
            wrongs += framed
    assert 0 < wrongs < 18  # both kinds occur, or the test shows nothing


def test_confusions_name_both_items_and_their_distance(drawn):
    rows, labels, images = blobs(apart=0.8)
    canvas, _ = drawn(visualize.plot_confusions, rows, labels, images=images, most=3)
    texts = [text.get_text() for axes in canvas.axes for text in axes.texts]
    assert texts[0] == "Nearest of another class" and "Farthest of the same class" in texts
    gaps = [gap for _, _, gap in nearest_of_another_class(rows, labels, 3)]
    gaps += [gap for _, _, gap in farthest_of_the_same(rows, labels, 3)]
    assert [text for text in texts if re.fullmatch(r"\d+\.\d\d", text)] == [f"{gap:.2f}" for gap in gaps]
    below = [axes.get_xlabel() for axes in canvas.axes if axes.get_xlabel()]
    pairs = list(zip(below[::2], below[1::2], strict=True))
    assert all(left != right for left, right in pairs[:3]) and all(left == right for left, right in pairs[3:])


def test_curves_are_the_rows_of_the_file(drawn, tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,loss,val_map_at_r,seconds\n1,0.5,,3\n2,0.25,0.625,3\n3,0.125,0.5,4\n")
    canvas, _ = drawn(visualize.plot_curves, path)
    assert [axes.get_title(loc="left") for axes in canvas.axes] == ["Loss", "Validation"]
    np.testing.assert_array_equal(canvas.axes[0].lines[0].get_xydata(), [[1, 0.5], [2, 0.25], [3, 0.125]])
    curve, best = canvas.axes[1].lines
    np.testing.assert_array_equal(curve.get_xydata(), [[2, 0.625], [3, 0.5]])  # the empty cell is a gap
    np.testing.assert_array_equal(best.get_xydata(), [[2, 0.625]])
    with pytest.raises(ValueError, match="no rows with numbers"):
        drawn(visualize.plot_curves, [])


def test_text_that_no_font_has_or_that_looks_like_a_formula_is_drawn_as_text(drawn):
    pytest.importorskip("matplotlib")
    from nearfar.visualize.style import shown

    assert shown("\U0001f9ff $x^{$\nb") == r"U+1F9FF \$x^{\$ b"
    canvas, _ = drawn(visualize.plot, np.eye(3), ["$\\frac{", "{}$^$", "\U0001f9ff"])
    assert len(canvas.legends[0].get_texts()) == 3


def test_plots_leave_the_callers_matplotlib_alone(tmp_path):
    code = """
import matplotlib, numpy as np, sys
before = list(dict.items(matplotlib.rcParams))  # reading through rcParams would import pyplot
from nearfar import visualize
visualize.plot(sys.argv[1], np.eye(4), [0, 1, 0, 1])
assert list(dict.items(matplotlib.rcParams)) == before
assert "matplotlib.pyplot" not in sys.modules
"""
    pytest.importorskip("matplotlib")
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "picture.png")], check=True)


def test_importing_needs_numpy_alone():
    code = """
import sys, nearfar.visualize
print([name for name in ("matplotlib", "PIL", "sklearn", "scipy", "torch") if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"
