"""Embed any data with a trained run, into a table, an array or a search index."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import UsageError
from ._common import Parser, add_distance, source_options, thumbnails

if TYPE_CHECKING:
    from ..data import Samples

__all__ = ["main"]

_BLOCK = 4096
_ENDINGS = (".parquet", ".npz", ".npy")


def main(argv: list[str]) -> int | None:
    """`nearfar embed RUN DATA [options]`."""
    parser = Parser(
        "embed", __doc__ or "", "Example: nearfar embed runs/glyphs-1 photos --index photos-index"
    )
    parser.add_argument("run", metavar="RUN", help="folder that `nearfar train` wrote")
    parser.add_argument(
        "data", metavar="DATA", help="an image, a folder of images, or whatever can be trained on"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="a .parquet, .npz or .npy file to write; else DATA.parquet in this folder",
    )
    parser.add_argument(
        "--index", metavar="FOLDER", help="write a search index instead, for `nearfar search --index`"
    )
    add_distance(parser)
    source_options(parser)
    given = parser.parse_args(argv)
    out = Path(given.out) if given.out else Path(f"{Path(given.data).stem or 'data'}.parquet")
    if given.out and out.suffix not in _ENDINGS:
        raise UsageError(f"--out is {given.out}; expected a name that ends in {', '.join(_ENDINGS)}.")

    from ..training import load_run

    run = load_run(given.run, backend=given.backend)
    samples = run.read(given.data, label=given.label, skip_unreadable=given.skip_unreadable)
    embeddings = run.embed(samples)
    if given.index:
        as_index(embeddings, samples, given.distance).save(given.index)
    if given.out or not given.index:
        _write(out, embeddings, samples)
    places = " and ".join(
        str(place) for place in (given.index, given.out or (None if given.index else out)) if place
    )
    print(f"{len(embeddings):,} embeddings of {embeddings.shape[1]} numbers: {places}")
    return 0


def as_index(embeddings: np.ndarray, samples: "Samples", distance: str) -> Any:
    """An index with `id` and, for images, `image` as PNG beside each row."""
    from ..index import EmbeddingIndex

    payload: dict[str, Any] = {"id": [str(one) for one in samples.ids]}
    images = thumbnails(samples, np.arange(len(samples)))
    if images is not None:
        payload["image"] = images
    return EmbeddingIndex(embeddings, _names(samples, slice(None)), payload=payload, distance=distance)


def _names(samples: "Samples", rows: slice) -> np.ndarray | None:
    return np.array(samples.class_names)[samples.labels[rows]] if samples.class_names else None


def _write(out: Path, embeddings: np.ndarray, samples: "Samples") -> None:
    from ..visualize.files import written_whole

    ids = np.array([str(one) for one in samples.ids])
    labels = _names(samples, slice(None))
    arrays: dict[str, Any] = {"x": embeddings, "id": ids} | ({} if labels is None else {"y": labels})
    with written_whole(out) as beside:
        if out.suffix == ".npy":
            np.save(beside, embeddings)
        elif out.suffix == ".npz":
            np.savez(beside, **arrays)
        else:
            _write_parquet(beside, embeddings, samples)


def _write_parquet(path: os.PathLike[str], embeddings: np.ndarray, samples: "Samples") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for start in range(
            0, len(embeddings), _BLOCK
        ):  # a row group at a time: pictures are not all held at once
            rows = slice(start, start + _BLOCK)
            block = np.ascontiguousarray(embeddings[rows], np.float32)
            flat = pa.array(block.reshape(-1))
            columns: dict[str, Any] = {"embedding": pa.FixedSizeListArray.from_arrays(flat, block.shape[1])}
            labels = _names(samples, rows)
            if labels is not None:
                columns["label"] = labels.tolist()
            columns["id"] = [str(one) for one in samples.ids[rows]]
            images = thumbnails(samples, np.arange(len(embeddings))[rows])
            if images is not None:
                columns["image"] = pa.array(images, pa.binary())
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
