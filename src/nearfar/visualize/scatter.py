"""The embedding as a picture: what training pulled near."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .inputs import as_embeddings, as_labels, class_codes
from .projections import project
from .style import COLORS, QUIET, VIVID, bare, figure, shown, tinted
from .thumbnails import as_thumbnails, is_ink, taken

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METHODS = {"pca": "PCA", "umap": "UMAP", "pacmap": "PaCMAP"}


def plot(
    path: str | os.PathLike[str],
    embeddings: Any,
    labels: Any,
    *,
    untrained: Any = None,
    images: Any = None,
    method: str = "pca",
    seed: int = 0,
    title: str | None = None,
    most: int = 20_000,
    dpi: int = 160,
) -> None:
    """Draw embeddings in the plane, trained beside untrained where both are given.

    Up to ten classes have a colour each. Of more, seven drawn by `seed` are coloured and the rest are grey
    dots, since the eye does not keep more apart; the same seven in both panels. With images, those of the
    coloured that leave each other room are drawn as thumbnails.

    Args:
        path: the file to write; its ending names the format.
        embeddings: (n, d) floats, of any framework.
        labels: (n,) integers or texts.
        untrained: (n, d2) embeddings of the same rows before training, for a second panel.
        images: (n, h, w) or (n, h, w, channels), Pillow images or encoded files.
        method: `"pca"`, `"umap"` or `"pacmap"`, as in `project`.
        seed: of the projection, the choice of classes, and the sample.
        title: above the picture. None: a sentence that counts rows and classes.
        most: more rows than this are sampled.
        dpi: pixels an inch; the picture is 5.6 inches wide for one panel, 11 for two.

    Raises:
        ImportError: where matplotlib, or the projection's package, is not installed.
        ValueError: where shapes do not fit, or embeddings has NaN, infinity or no rows.

    Example:
        >>> plot("/tmp/embedding.png", [[0.0, 1.0], [1.0, 0.0], [0.9, 0.1]], ["a", "b", "b"])
    """
    panels = {"": as_embeddings(embeddings)}
    if untrained is not None:
        panels = {"Untrained": as_embeddings(untrained, "untrained"), "Trained": panels[""]}
    rows = len(panels["Trained" if "Trained" in panels else ""])
    if not rows:
        raise ValueError("embeddings has 0 rows; expected at least one.")
    for name, panel in panels.items():
        if len(panel) != rows:
            raise ValueError(
                f"{name.lower()} has {len(panel)} rows but embeddings has {rows}; expected as many."
            )
    values, codes = class_codes(as_labels(labels, rows))
    random = np.random.default_rng(seed)
    chosen = np.arange(len(values))
    if len(values) > len(COLORS):
        chosen = np.sort(random.choice(len(values), VIVID, replace=False))
    kept = np.sort(random.choice(rows, most, replace=False)) if rows > most else np.arange(rows)
    codes = codes[kept]
    thumbnails = None if images is None else as_thumbnails(taken(images, kept), len(kept), 48)

    two = len(panels) == 2
    under = f"{len(kept):,} of {rows:,} items" if len(kept) < rows else f"{rows:,} items"
    under += f", {len(values):,} classes, {_METHODS[method]} projection"
    if len(chosen) < len(values):
        under += (
            f"; {len(chosen)} classes drawn at random are coloured"
            if two
            else f"; {len(chosen)} at random coloured"
        )
    title = title or ("Before and after training" if two else "Embedding")
    with figure(path, 11 if two else 5.6, 6.1, title, under, dpi=dpi) as canvas:
        all_axes = canvas.subplots(1, len(panels), squeeze=False)[0]
        for axes, (name, panel) in zip(all_axes, panels.items(), strict=True):
            axes.set_title(name)
            points = project(panel[kept], method, seed=seed)
            _scatter(axes, points, codes, chosen, thumbnails)
            if len(chosen) == len(values):
                _name(axes, points, codes, [shown(value, 14) for value in values])
        handles = [_dot(COLORS[i], shown(values[c])) for i, c in enumerate(chosen)]
        if len(chosen) < len(values):
            handles.append(_dot(QUIET, f"{len(values) - len(chosen)} other classes"))
        canvas.legend(
            handles=handles, loc="outside lower left", ncols=10 if two else 5, fontsize=9.5,
            handletextpad=0.1, columnspacing=1.2,
        )  # fmt: skip


def _dot(color: str, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", marker="o", markersize=6.5, color=color, label=label)


def _scatter(
    axes: "Axes",
    points: NDArray[np.float32],
    codes: NDArray[np.int64],
    chosen: NDArray[np.int64],
    thumbnails: NDArray[np.uint8] | None,
) -> None:
    bare(axes)
    axes.patch.set(alpha=1, facecolor="#F8F9FA")
    quiet = ~np.isin(codes, chosen)
    size = float(np.clip(9000 / max(len(points), 1), 2.0, 34.0))
    axes.scatter(*points[quiet].T, s=size, color=QUIET, alpha=0.55, linewidths=0, rasterized=True)
    loud = np.flatnonzero(~quiet)
    colors = np.array(COLORS)[np.searchsorted(chosen, codes[loud])]
    # a random order, so that no class lies on top of the others only because it comes last
    order = np.random.default_rng(0).permutation(len(loud))
    loud, colors = loud[order], colors[order]
    low, high = points.min(axis=0), points.max(axis=0)
    reach = max(float((high - low).max()), 1e-9) * 0.54
    middle = (low + high) / 2
    axes.set_box_aspect(1)  # one unit is as long across as up, or the picture would lie about distances
    axes.set_xlim(middle[0] - reach, middle[0] + reach)
    axes.set_ylim(middle[1] - reach, middle[1] + reach)
    axes.scatter(*points[loud].T, s=size * 1.6, c=colors, alpha=0.9, linewidths=0, rasterized=True)
    if thumbnails is None or len(loud) > 600:
        return
    ink = is_ink(thumbnails)
    half = reach * (0.05 if len(loud) <= 150 else 0.036)
    for at in _clear_of_each_other(points[loud], 1.3 * half):
        (x, y), tile, color = points[loud[at]], thumbnails[loud[at]], colors[at]
        extent = (x - half, x + half, y - half, y + half)
        grey = tile.ndim == 2
        picture = tinted(tile, color) if ink else np.repeat(tile[..., None], 3, axis=2) if grey else tile
        axes.imshow(picture, extent=extent, aspect="auto", interpolation="hanning", zorder=3)
        axes.add_patch(_plate(extent) if ink else _frame(extent, color))


def _clear_of_each_other(points: NDArray[np.float32], apart: float) -> list[int]:
    """Positions of points, first come, first kept, that are farther apart than that along an axis."""
    kept: list[int] = []
    for at, point in enumerate(points):
        if not kept or (np.abs(points[kept] - point).max(axis=1) > apart).all():
            kept.append(at)
    return kept


def _plate(extent: tuple[float, float, float, float]) -> Any:
    from matplotlib.patches import Rectangle

    left, right, bottom, top = extent
    return Rectangle(
        (left, bottom), right - left, top - bottom, color="#F8F9FA", alpha=0.85, linewidth=0, zorder=2.5
    )


def _name(axes: "Axes", points: NDArray[np.float32], codes: NDArray[np.int64], names: list[str]) -> None:
    """Write each class's name at its middle, but for those that would lie on a name written before."""
    from matplotlib.patheffects import withStroke

    width = float(np.ptp(axes.get_xlim()))
    apart = 0.025 * width * max(map(len, names))
    halo = [withStroke(linewidth=3, foreground="white")]
    placed: list[NDArray[np.float32]] = []
    for code, name in enumerate(names):
        middle = np.median(points[codes == code], axis=0)
        if all(abs(middle[1] - y) > 0.045 * width or abs(middle[0] - x) > apart for x, y in placed):
            placed.append(middle)
            x, y = middle.tolist()
            style: Any = {"fontsize": 11, "fontweight": "bold", "path_effects": halo}
            axes.text(x, y, name, ha="center", va="center", zorder=5, **style)


def _frame(extent: tuple[float, float, float, float], color: str) -> Any:
    from matplotlib.patches import Rectangle

    left, right, bottom, top = extent
    return Rectangle(
        (left, bottom), right - left, top - bottom, fill=False, edgecolor=color, linewidth=1.4, zorder=4
    )
