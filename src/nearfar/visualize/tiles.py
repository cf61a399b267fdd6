"""Grids of pictures: each query with its nearest, and the pairs that fool the model most."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .inputs import as_embeddings, as_labels, as_texts, class_codes
from .neighbors import Distance, farthest_of_the_same, nearest_neighbors, nearest_of_another_class
from .style import FAINT, INK, RIGHT, WRONG, bare, distance_name, figure, shown, tinted
from .thumbnails import as_thumbnails, is_ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_neighbors(
    path: str | os.PathLike[str],
    embeddings: Any,
    labels: Any,
    *,
    images: Any = None,
    queries: Any = 8,
    k: int = 10,
    distance: Distance = "euclidean",
    seed: int = 0,
    title: str = "Nearest neighbours",
    dpi: int = 160,
) -> None:
    """Draw queries, each with its nearest in the space itself; what is of another class stands in a red
    frame.

    Args:
        path: the file to write; its ending names the format.
        embeddings: (n, d) floats, of any framework.
        labels: (n,) integers or texts.
        images: (n, h, w) or (n, h, w, channels), Pillow images or encoded files. None: the labels are drawn
            as text.
        queries: how many, drawn by `seed` from the items that share their class with another; or their
            positions.
        k: how many neighbours to a query.
        distance: as in `nearest_neighbors`.
        seed: of the choice of queries.
        title: above the picture.
        dpi: pixels an inch; a tile is 0.72 inches.

    Raises:
        ImportError: where matplotlib is not installed.
        ValueError: where shapes do not fit, or no class has two items.

    Example:
        >>> plot_neighbors("/tmp/neighbours.png", [[0.0], [0.1], [1.0]], ["a", "a", "b"], queries=2)
    """
    rows = as_embeddings(embeddings)
    marks = as_labels(labels, len(rows))
    _, codes = class_codes(marks)
    if np.ndim(queries) == 0:
        able = np.flatnonzero(np.bincount(codes, minlength=1)[codes] > 1)
        if not len(able):
            raise ValueError(
                "labels has no class with two items; expected at least one, to have something to find."
            )
        chosen = np.sort(
            np.random.default_rng(seed).choice(able, min(int(queries), len(able)), replace=False)
        )
    else:
        chosen = np.asarray(queries, dtype=np.int64)
    distances, positions = nearest_neighbors(rows, k, distance=distance, queries=chosen)
    tiles = _Tiles(images, len(rows), as_texts(marks))
    k = positions.shape[1]
    wrong = codes[positions] != codes[chosen][:, None]
    under = f"{distance_name(distance)} below each; framed: another class"
    under += f", {100 * wrong.mean():.0f} % of those shown" if wrong.size else ""
    with figure(path, 0.78 * (k + 1) + 0.5, 0.92 * len(chosen) + 0.2, title, under, dpi=dpi) as canvas:
        table = canvas.subplots(len(chosen), k + 1, squeeze=False, width_ratios=[1.12, *[1] * k])
        for line, query, near, far, fail in zip(table, chosen, positions, distances, wrong, strict=True):
            tiles.draw(line[0], query, INK, below=tiles.texts[query])
            for axes, item, gap, bad in zip(line[1:], near, far, fail, strict=True):
                tiles.draw(axes, item, WRONG if bad else None, below=f"{gap:.2f}", ink=WRONG if bad else INK)


def plot_confusions(
    path: str | os.PathLike[str],
    embeddings: Any,
    labels: Any,
    *,
    images: Any = None,
    most: int = 10,
    distance: Distance = "euclidean",
    title: str = "What fools the model most",
    dpi: int = 160,
) -> None:
    """Draw the nearest pairs of different classes and the farthest pairs of the same class.

    An item stands in one pair of a kind only, so that a single odd one does not fill the picture.

    Args:
        path: the file to write; its ending names the format.
        embeddings: (n, d) floats, of any framework.
        labels: (n,) integers or texts.
        images: (n, h, w) or (n, h, w, channels), Pillow images or encoded files. None: the labels are drawn
            as text.
        most: how many pairs of each kind.
        distance: as in `nearest_neighbors`.
        title: above the picture.
        dpi: pixels an inch.

    Raises:
        ImportError: where matplotlib is not installed.
        ValueError: where shapes do not fit, or there is no pair of either kind.

    Example:
        >>> plot_confusions("/tmp/confusions.png", [[0.0], [0.1], [1.0], [1.1]], ["a", "a", "b", "b"])
    """
    rows = as_embeddings(embeddings)
    marks = as_labels(labels, len(rows))
    _, codes = class_codes(marks)
    near = nearest_of_another_class(rows, codes, most, distance)
    far = farthest_of_the_same(rows, codes, most, distance)
    if not near and not far:
        raise ValueError(f"labels has {len(rows)} rows and no pair; expected at least two rows.")
    tiles = _Tiles(images, len(rows), as_texts(marks))
    blocks = {"Nearest of another class": (near, WRONG), "Farthest of the same class": (far, RIGHT)}
    blocks = {name: block for name, block in blocks.items() if block[0]}
    across = min(5, max(len(found) for found, _ in blocks.values()))
    heights = [r for found, _ in blocks.values() for r in (0.28, *[1] * -(-len(found) // across))]
    under = f"{distance_name(distance)}; each item in at most one pair of a kind"
    with figure(path, 1.72 * across + 0.1, 1.0 * sum(heights) + 0.1, title, under, dpi=dpi) as canvas:
        widths = [r for _ in range(across) for r in (1, 1, 0.1)][:-1]
        table = canvas.subplots(
            len(heights), len(widths), squeeze=False, height_ratios=heights, width_ratios=widths
        )
        for axes in table.flat:
            bare(axes)
        lines = iter(table)
        for name, (found, color) in blocks.items():
            written = next(lines)[0].text(0, 0.2, name, fontsize=11.5, fontweight="bold", va="bottom")
            written.set_in_layout(False)  # or the first column grows to the width of the words
            for i, (left, right, gap) in enumerate(found):
                column = 3 * (i % across)
                line = next(lines) if column == 0 else line  # noqa: F821  # the first column comes first
                tiles.draw(line[column], left, color, below=tiles.texts[left])
                tiles.draw(line[column + 1], right, color, below=tiles.texts[right])
                line[column + 1].annotate(
                    f"{gap:.2f}", (0, 0.5), (-12, 0), xycoords="axes fraction", textcoords="offset points",
                    ha="center", va="center", fontsize=8.5, color=INK,
                )  # fmt: skip


class _Tiles:
    """Draws an item as its picture, or as its label where there are no pictures."""

    def __init__(self, images: Any, rows: int, texts: list[str]) -> None:
        self.texts = texts
        self.thumbnails = None if images is None else as_thumbnails(images, rows, 96)
        self.ink = self.thumbnails is not None and is_ink(self.thumbnails)

    def draw(self, axes: "Axes", item: int, frame: str | None, *, below: str = "", ink: str = INK) -> None:
        bare(axes)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_aspect("equal")
        axes.patch.set(alpha=1, facecolor="#F3F5F7")
        if self.thumbnails is None:
            axes.text(0.5, 0.5, shown(self.texts[item], 8), ha="center", va="center", fontsize=9, color=ink)
        else:
            tile = self.thumbnails[item]
            picture: Any = tinted(tile, INK) if self.ink else tile
            inset = (0.06, 0.94, 0.06, 0.94)
            axes.imshow(
                picture, extent=inset, cmap="gray", vmin=0, vmax=255, interpolation="hanning", aspect="auto"
            )
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_aspect("equal")
        if frame:
            for spine in axes.spines.values():
                spine.set(visible=True, color=frame, linewidth=1.2 if frame == INK else 2.2)
        if below:
            axes.set_xlabel(shown(below, 12), fontsize=8.5, color=ink if ink != INK else FAINT, labelpad=2)
