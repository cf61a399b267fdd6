"""The files of a run folder, each written whole or not at all."""

import csv
import importlib.util
import io
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data import DataSet, Samples
from ..visualize.files import written_whole
from .errors import ConfigError

__all__ = [
    "PARTS",
    "check_folder",
    "check_package",
    "check_projections",
    "prepare_folder",
    "write_embeddings",
    "write_json",
    "write_metrics",
]

#: what a run leaves in its folder, and what --overwrite removes
PARTS = (
    "config.yaml", "metrics.csv", "report.json", "model.keras", "embeddings.parquet", "projector",
    "viewer.html", "curves.png", "embedding.png", "tensorboard", "checkpoint",
)  # fmt: skip


def prepare_folder(out: str | None, name: str, *, overwrite: bool = False) -> Path:
    """An empty folder for a run.

    Args:
        out: where; None for the first free `runs/NAME-1`, `runs/NAME-2`, ...
        name: of the data.
        overwrite: remove what an earlier run left in `out`.

    Raises:
        ConfigError: `out` exists and may not be overwritten, or is no run folder.
    """
    if out is None:
        stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
        Path("runs").mkdir(exist_ok=True)
        number = 1
        while True:
            try:
                (folder := Path("runs") / f"{stem}-{number}").mkdir()
                return folder
            except FileExistsError:
                number += 1
    folder = Path(out)
    check_folder(out, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        path = folder / part
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return folder


def check_folder(out: str | None, *, overwrite: bool = False) -> None:
    """Refuse a folder that `prepare_folder` would refuse, before any work is done."""
    folder = Path(out) if out is not None else None
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{out} is a file; expected a folder for the run, choose another --out.")
    if not any(folder.iterdir()):
        return
    if not overwrite:
        raise ConfigError(
            f"{out} exists; choose another --out, replace it with --overwrite, or continue it with --resume."
        )
    if not (folder / "config.yaml").exists():
        raise ConfigError(
            f"{out} holds files but no run (no config.yaml), so it is not overwritten; choose another --out."
        )


def check_package(name: str, needed_by: str) -> None:
    """Refuse to start where a package is missing that is needed at the end."""
    if importlib.util.find_spec(name) is None:
        raise ConfigError(f"{needed_by} needs the package {name}: pip install {name}.")


def check_projections(names: str, rows: int) -> None:
    """Refuse to start with layouts that cannot be made at the end."""
    from ..visualize.projections import check_methods

    try:
        check_methods(names.split(","), rows)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"projections is {names!r}: {error}") from None


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """JSON, indented."""
    with written_whole(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_metrics(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """A CSV table, a row an epoch."""
    with written_whole(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)


def write_embeddings(path: Path, data: DataSet, parts: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Embeddings with all that is needed to look at them again, as one Parquet table.

    Args:
        path: the file.
        data: where they come from.
        parts: of `"train"` and `"test"`: `(k,)` rows of the part and their `(k, d)` embeddings. Columns:
            `embedding`, a fixed-size list of float32; `label`, the class's name; `split`; `id`; and `image`,
            PNG bytes, for images.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    with written_whole(path) as beside:
        try:
            for split, (rows, embeddings) in parts.items():
                samples: Samples = getattr(data, split)
                for start in range(
                    0, len(rows), 4096
                ):  # a row group at a time: pictures are not all held at once
                    chosen, block = rows[start : start + 4096], embeddings[start : start + 4096]
                    flat = pa.array(np.ascontiguousarray(block, np.float32).reshape(-1))
                    columns = {
                        "embedding": pa.FixedSizeListArray.from_arrays(flat, block.shape[1]),
                        "label": [samples.class_names[code] for code in samples.labels[chosen]],
                        "split": [split] * len(chosen),
                        "id": [str(samples.ids[int(row)]) for row in chosen],
                    }
                    images = samples.thumbnails(chosen)
                    if images is not None:
                        columns["image"] = pa.array([_png(image) for image in images], pa.binary())
                    table = pa.table(columns)
                    writer = writer or pq.ParquetWriter(beside, table.schema)
                    writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
