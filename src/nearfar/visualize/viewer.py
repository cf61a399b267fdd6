"""The viewer: an embedding to look at in any browser, as one file that needs no network."""

import html
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from ..evaluation.distances import check_distance
from .files import written_whole
from .inputs import as_columns, as_embeddings, as_labels
from .neighbors import Distance
from .packing import Pack, pack_column, pack_space, pack_sprite, thumbnail_side
from .projections import check_methods
from .style import distance_name
from .thumbnails import as_thumbnails, is_ink, taken

_TITLE, _DATA = "<!--nearfar:title-->", "<!--nearfar:data-->"


def write_html(
    path: str | os.PathLike[str],
    embeddings: Any,
    labels: Any,
    *,
    untrained: Any = None,
    metadata: Mapping[str, Any] | None = None,
    images: Any = None,
    methods: Sequence[str] = ("pca",),
    k: int = 10,
    distance: Distance = "euclidean",
    title: str = "Embedding",
    seed: int = 0,
    thumbnail: int | None = None,
    most: int = 200_000,
) -> None:
    """Write a page that shows the embedding: one file, opened from disk, asking nothing of a network.

    It draws the points with WebGL, colours and filters them by any column, shows pictures as one comes near,
    lists the nearest of an item in the space itself with right and wrong told apart, searches, selects with a
    lasso and exports what is selected. Every piece of the caller's text is written so that the browser cannot
    take it for code.

    Args:
        path: the file to write.
        embeddings: (n, d) floats, of any framework.
        labels: (n,) integers or texts.
        untrained: (n, d2) embeddings of the same rows before training, to switch to.
        metadata: further columns, name to one value a row.
        images: (n, h, w) or (n, h, w, channels), Pillow images or encoded files.
        methods: layouts to compute, of `"pca"`, `"umap"` and `"pacmap"`; the first is shown first.
        k: how many neighbours to list; they are exact.
        distance: of the neighbours, as in `nearest_neighbors`.
        title: of the page.
        seed: of the layouts, and of the sample.
        thumbnail: side of the pictures in pixels. None: 64, less for more than about 14,000 items, and never
            more than the images have.
        most: more rows than this are sampled; `row` then still numbers them as given.

    Raises:
        ImportError: where the package of a layout, or Pillow for images, is not installed.
        ValueError: where shapes do not fit, a method or distance is unknown, or embeddings has NaN, infinity
            or no rows.

    Example:
        >>> write_html("/tmp/viewer.html", [[0.0, 1.0], [1.0, 0.0], [0.9, 0.1]], ["a", "b", "b"])
    """
    spaces = {"Trained" if untrained is not None else "Embedding": as_embeddings(embeddings)}
    rows = len(next(iter(spaces.values())))
    if not rows:
        raise ValueError("embeddings has 0 rows; expected at least one.")
    if untrained is not None:
        spaces["Untrained"] = as_embeddings(untrained, "untrained")
        if len(spaces["Untrained"]) != rows:
            raise ValueError(
                f"untrained has {len(spaces['Untrained'])} rows but embeddings has {rows}; expected as many."
            )
    methods = check_methods(methods, rows)
    check_distance(distance)
    marks = as_labels(labels, rows)
    columns = {name: values for name, values in as_columns(metadata, rows).items() if name != "label"}
    kept = np.arange(rows)
    if rows > most:
        kept = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))

    pack = Pack()
    description: dict[str, Any] = {
        "format": 1,
        "title": str(title),
        "rows": len(kept),
        "of": rows,
        "distance": distance_name(distance),
        "columns": [
            pack_column(pack, "label", marks[kept], category=True),
            *(pack_column(pack, name, values[kept]) for name, values in columns.items()),
        ],
        "spaces": [
            pack_space(pack, name, space[kept], methods, k, distance, seed) for name, space in spaces.items()
        ],
        "sprite": None,
        "row": pack.array(kept.astype(np.uint32)) if rows > most else None,
    }
    if images is not None:
        if len(images) != rows:
            raise ValueError(
                f"images has {len(images)} entries but embeddings has {rows} rows; expected one image a row."
            )
        side = thumbnail_side(len(kept), thumbnail)
        thumbnails = as_thumbnails(taken(images, kept), len(kept), side)
        description["sprite"] = pack_sprite(pack, thumbnails, is_ink(thumbnails))
    before, after = page().split(_DATA)
    before = before.replace(_TITLE, html.escape(str(title)))
    with written_whole(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines([before, pack.html(description), after])


def page() -> str:
    """The page without data, as `viewer/` builds it."""
    return resources.files("nearfar.visualize").joinpath("assets", "viewer.html").read_text(encoding="utf-8")
