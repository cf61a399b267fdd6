"""Find the nearest of a run's samples, or of an index, to an image; as a table and a picture."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from . import UsageError
from ._common import Parser, add_distance, saved, source_options, thumbnails

__all__ = ["main"]


def main(argv: list[str]) -> int | None:
    """`nearfar search RUN QUERY [options]`."""
    parser = Parser("search", __doc__ or "", "Example: nearfar search runs/glyphs-1 letter.png -k 5")
    parser.add_argument("run", metavar="RUN", help="folder that `nearfar train` wrote")
    parser.add_argument("query", metavar="QUERY", help="an image, or a folder or table of queries")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many to find (%(default)s)")
    parser.add_argument(
        "--split",
        choices=("test", "train", "all"),
        default="all",
        help="which of the run's samples (%(default)s)",
    )
    parser.add_argument(
        "--index", metavar="FOLDER", help="search an index instead, that `nearfar embed` wrote"
    )
    parser.add_argument(
        "--picture", metavar="FILE", help="where to draw query and hits; else RUN/search/QUERY.png"
    )
    parser.add_argument("--no-picture", action="store_true", help="draw nothing")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_distance(parser)
    source_options(parser)
    given = parser.parse_args(argv)
    if given.k < 1:
        raise UsageError(f"-k is {given.k}; expected 1 or more.")

    from ..index import EmbeddingIndex

    if given.index:
        try:
            index = EmbeddingIndex.load(given.index)
        except (FileNotFoundError, ValueError) as error:  # missing, foreign or damaged: the words say which
            raise UsageError(str(error)) from None
    else:
        found = saved(given.run, given.split)
        payload: dict[str, Any] = {"id": found.ids} | ({"image": found.images} if found.images else {})
        index = EmbeddingIndex(found.embeddings, found.labels, payload=payload, distance=given.distance)
    from ..training import load_run

    run = load_run(given.run, backend=given.backend)
    samples = run.read(given.query, label=given.label, skip_unreadable=given.skip_unreadable)
    queries = run.embed(samples)
    if len(index) and queries.shape[1] != index.embeddings.shape[1]:
        raise UsageError(
            f"{given.index} holds embeddings of {index.embeddings.shape[1]} numbers but {given.run} makes "
            f"{queries.shape[1]}; expected an index that this run embedded."
        )
    distances, rows = index.search(queries, given.k)
    hits = [_hits(index, *pair) for pair in zip(distances, rows, strict=True)]
    ids = [str(one) for one in samples.ids]
    if given.json:
        print(
            json.dumps([{"query": name, "hits": one} for name, one in zip(ids, hits, strict=True)], indent=2)
        )
    else:
        print("\n\n".join(_table(name, one) for name, one in zip(ids, hits, strict=True)))
    pictures = thumbnails(samples, np.arange(len(samples)))
    if not given.no_picture and pictures and "image" in index.payload:
        name = f"{Path(given.query).stem or 'query'}.png"
        path = Path(given.picture) if given.picture else Path(given.run) / "search" / name
        shown = slice(0, 20)  # of a folder of queries; more would not fit a picture
        _draw(path, pictures[shown], [index.payload["image"][row] for row in rows[shown]], hits[shown])
        if not given.json:
            print(f"\n{path}")
    return 0


def _hits(index: Any, distances: np.ndarray, rows: np.ndarray) -> list[dict[str, Any]]:
    out = []
    for distance, row in zip(distances.tolist(), rows.tolist(), strict=True):
        one: dict[str, Any] = {"distance": distance, "row": row}
        if index.labels is not None:
            one["label"] = (
                index.labels[row].item() if hasattr(index.labels[row], "item") else index.labels[row]
            )
        if "id" in index.payload:
            one["id"] = str(index.payload["id"][row])
        out.append(one)
    return out


def _table(query: str, hits: list[dict[str, Any]]) -> str:
    width = max([len(str(one.get("label", ""))) for one in hits] + [5])
    lines = [query, f"{'':>4}{'distance':>10}  {'label':<{width}}  id"]
    for n, one in enumerate(hits, 1):
        lines.append(
            f"{n:>4}{one['distance']:>10.4f}  {one.get('label', '')!s:<{width}}  {one.get('id', one['row'])}"
        )
    return "\n".join(lines)


def _draw(path: Path, queries: list[bytes], images: list[Any], hits: list[list[dict[str, Any]]]) -> None:
    """A line a query: its picture, then those of its hits with label and distance."""
    from PIL import Image

    from ..visualize.style import FAINT, bare, figure, shown

    width, height = 1 + max(len(line) for line in images), len(queries)
    under = "left: the query; below each hit its label and distance"
    with figure(path, 0.95 * width + 0.3, 1.3 * height + 0.1, "Nearest", under) as canvas:
        table = canvas.subplots(height, width, squeeze=False)
        for line, query, near, found in zip(table, queries, images, hits, strict=True):
            captions = [
                "query",
                *(f"{shown(one.get('label', ''), 12)}\n{one['distance']:.3f}" for one in found),
            ]
            for axes in line:
                bare(axes)
            for axes, image, caption in zip(line, [query, *near], captions, strict=False):
                pixels = np.asarray(Image.open(io.BytesIO(image)))
                axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                axes.set_xlabel(caption, fontsize=8.5, color=FAINT)
