"""Files that TensorBoard's projector and projector.tensorflow.org load."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .files import written_whole
from .inputs import as_columns, as_embeddings, as_labels, as_texts
from .sprite import grid, save_png
from .thumbnails import as_thumbnails

_WIDEST = (
    8192  # pixels; the projector draws nothing from a wider sprite, since graphics cards refuse the texture
)


def write_projector(
    folder: str | os.PathLike[str],
    embeddings: Any,
    labels: Any = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    images: Any = None,
    name: str = "embedding",
    thumbnail: int = 64,
) -> list[Path]:
    """Write `vecs.tsv`, `meta.tsv`, `sprite.png` and `projector_config.pbtxt`.

    `tensorboard --logdir FOLDER` shows them; projector.tensorflow.org takes the two `.tsv` files under
    "Load". Tabs and line ends inside values become `\\t`, `\\n` and `\\r`; an empty row becomes `(empty)`,
    since the projector would skip the line and shift all that follow. Each file is written whole, the
    configuration last.

    Args:
        folder: made where missing; other files in it are left alone.
        embeddings: (n, d) floats, of any framework; written exactly, to nine digits.
        labels: (n,) of integers or texts, or None for none.
        metadata: further columns, name to one value a row.
        images: (n, h, w) or (n, h, w, channels), Pillow images or encoded files; see `thumbnail`.
        name: the name that the projector shows.
        thumbnail: side of a picture in the sprite, in pixels, made smaller where the sprite would exceed
            8192.

    Returns:
        The paths written, the configuration last. Without labels and metadata there is no `meta.tsv`, without
        images no `sprite.png`.

    Raises:
        ValueError: where labels, a column or images do not have n rows, or embeddings has none, or NaN or
            infinity.

    Example:
        >>> [path.name for path in write_projector("/tmp/projector", [[0.0, 1.0], [1.0, 0.0]], ["a", "b"])]
        ['vecs.tsv', 'meta.tsv', 'projector_config.pbtxt']
    """
    vectors = as_embeddings(embeddings)
    rows = len(vectors)
    if not rows:
        raise ValueError(
            "embeddings has 0 rows; expected at least one, since the projector cannot load an empty file."
        )
    columns = as_columns(metadata, rows)
    if labels is not None:
        columns = {"label": as_labels(labels, rows), **{k: v for k, v in columns.items() if k != "label"}}
    folder = Path(folder)
    written: list[Path] = []
    config = [f'  tensor_name: "{_quoted(name)}"', '  tensor_path: "vecs.tsv"']

    with written_whole(folder / "vecs.tsv") as beside, beside.open("w", newline="\n") as file:
        line = "\t".join(["%.9g"] * vectors.shape[1]) + "\n"  # nine digits bring a float32 back bit for bit
        file.writelines(line % tuple(row.tolist()) for row in vectors)
    written.append(folder / "vecs.tsv")

    if columns:
        with written_whole(folder / "meta.tsv") as beside:
            beside.write_text(_table(columns), encoding="utf-8", newline="\n")
        written.append(folder / "meta.tsv")
        config.append('  metadata_path: "meta.tsv"')

    if images is not None:
        side = min(thumbnail, _WIDEST // (math.isqrt(rows - 1) + 1))
        if side < 1:
            raise ValueError(f"images has {rows} entries; expected at most {_WIDEST**2}, so write a sample.")
        thumbnails = as_thumbnails(images, rows, side)
        with written_whole(folder / "sprite.png") as beside:
            save_png(beside, grid(thumbnails))
        written.append(folder / "sprite.png")
        side = thumbnails.shape[1]
        config += [
            "  sprite {",
            '    image_path: "sprite.png"',
            *[f"    single_image_dim: {side}"] * 2,
            "  }",
        ]

    with written_whole(folder / "projector_config.pbtxt") as beside:
        beside.write_text("\n".join(["embeddings {", *config, "}", ""]), encoding="utf-8", newline="\n")
    return [*written, folder / "projector_config.pbtxt"]


def _table(columns: Mapping[str, Any]) -> str:
    # the projector reads a first line with a tab as names, and one without as data
    cells = [[_cell(text) for text in as_texts(values)] for values in columns.values()]
    if len(columns) == 1:
        lines = [text if text.strip() else "(empty)" for text in cells[0]]
    else:
        body = ("\t".join(row) for row in zip(*cells, strict=True))
        lines = ["\t".join(map(_cell, columns)), *(row if row.strip() else "(empty)" + row for row in body)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
