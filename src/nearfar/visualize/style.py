"""How every plot looks: colours, fonts, and saving whole."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# ten colours found by search to lie far apart in Oklab for normal, red-, green- and blue-blind sight alike
# (least distance 0.12; matplotlib's own ten: 0.007), legible on white and on near-black
COLORS = (
    "#3D8ED8", "#FFB400", "#BA0000", "#8A24C5", "#304E73",
    "#FF5D00", "#61B8FF", "#AD988D", "#B6CAAF", "#62757D",
)  # fmt: skip
VIVID = 7  # the first so many also stand out from the grey of QUIET
QUIET = "#B9BEC4"
INK = "#1B1F24"
FAINT = "#6B737C"
_HEADING = 0.75  # inches
RIGHT = "#3D8ED8"
WRONG = "#D0312D"

# tried in this order where DejaVu Sans, which comes with matplotlib, lacks a character
_FALLBACKS = (
    "Noto Sans CJK JP", "Noto Sans JP", "IPAGothic", "IPAexGothic", "Hiragino Sans", "Yu Gothic",
    "Microsoft YaHei", "PingFang SC", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Noto Sans",
)  # fmt: skip
_SETTINGS: dict[str, Any] = {
    "font.size": 10.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#C6CBD1",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#E7EAED",
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@cache
def _fonts() -> list[str]:
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _FALLBACKS if name in installed)]


@cache
def _drawable() -> frozenset[int]:
    """The characters that some font in use can draw."""
    from matplotlib import font_manager

    found: set[int] = set()
    for name in _fonts():
        font = font_manager.get_font(font_manager.findfont(name))
        found.update(font.get_charmap())
    return frozenset(found)


def shown(value: Any, longest: int = 18) -> str:
    """A label as it can be drawn: one line, cut to `longest`, and U+4E0E where no font has the character."""
    text = " ".join(str(value).split()) or "(empty)"
    text = "".join(c if ord(c) in _drawable() else f"U+{ord(c):04X}" for c in text)
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.replace("$", r"\$")  # matplotlib reads what stands between dollars as a formula


@contextmanager
def figure(
    path: str | os.PathLike[str], width: float, height: float, title: str, under: str = "", *, dpi: int = 160
) -> Iterator["Figure"]:
    """A figure in nearfar's style that is saved at `path` when the block ends.

    It draws without a screen and without pyplot, so nothing of the caller's matplotlib changes.

    Args:
        path: the file to write; its ending names the format (png, svg, pdf).
        width: in inches.
        height: in inches, without the heading, which is 0.75 inches more.
        title: in bold at the left edge.
        under: a quieter sentence under it.
        dpi: pixels an inch.

    Raises:
        ImportError: where matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib, which is not installed; run `pip install matplotlib`."
        ) from error
    settings: Any = {**_SETTINGS, "font.family": _fonts()}
    with matplotlib.rc_context(settings):
        whole = height + _HEADING
        canvas = Figure(figsize=(width, whole), dpi=dpi, layout="constrained")
        canvas.get_layout_engine().set(w_pad=0.08, h_pad=0.08, rect=(0, 0, 1, height / whole))  # type: ignore[union-attr]
        left = {"x": 0.12 / width, "ha": "left", "va": "top"}
        canvas.text(y=1 - 0.13 / whole, s=title, fontsize=14, fontweight="bold", **left)
        canvas.text(y=1 - 0.44 / whole, s=under, fontsize=9.5, color=FAINT, **left)
        yield canvas
        with written_whole(Path(path)) as beside:
            canvas.savefig(beside, dpi=dpi)


def distance_name(distance: Any) -> str:
    """How a picture names a distance."""
    if not isinstance(distance, str):
        return "Given distance"
    return f"{distance.replace('_', ' ')} distance".capitalize().replace(" euclidean", " Euclidean")


def bare(axes: "Axes") -> None:
    """Axes without ticks, frame and ground, for what has no scale."""
    axes.patch.set_alpha(0)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def tinted(tile: NDArray[np.uint8], color: str | Sequence[float]) -> NDArray[np.float64]:
    """A grey drawing on a ground of 0 as ink of one colour on nothing, (h, w, 4)."""
    from matplotlib.colors import to_rgb

    out = np.empty((*tile.shape, 4))
    out[..., :3] = to_rgb(color)  # type: ignore[arg-type]  # a sequence of floats is a colour too
    out[..., 3] = tile / 255
    return out
