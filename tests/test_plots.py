"""Pictures that matplotlib draws, against independent calculations."""

import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from blobs import blobs

from nearfar import visualize
from nearfar.visualize.neighbors import farthest_of_the_same, nearest_of_another_class

Image = pytest.importorskip("PIL.Image")


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
