"""Files for the tests of data: written as their formats say, not by nearfar."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from nearfar.data import DataError, load


def write_idx(path: Path, array: np.ndarray, code: int = 8) -> None:
    """The format as its header describes it: two zero bytes, type, rank, sides, data, all big-endian."""
    data = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_images(root: Path, counts: dict[str, int], size=(8, 6), mode="L", suffix="png") -> np.ndarray:
    """`counts` images a class, each of one grey: 0, 1, 2 ... in the order written."""
    from PIL import Image

    grey = 0
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new(mode, size, grey if mode == "L" else (grey, 0, 0)).save(
                root / name / f"{number}.{suffix}"
            )
            grey += 1
    return np.arange(grey)


def ten_rows(**columns):
    import pyarrow as pa

    rng = np.random.default_rng(0)
    table = {"a": rng.normal(size=10), "b": rng.integers(0, 9, 10), "label": ["x", "y"] * 5}
    return pa.table({name: value for name, value in (table | columns).items() if value is not None})


def write_table(path: Path, table) -> Path:
    from pyarrow import csv, parquet

    csv.write_csv(table, path) if path.suffix == ".csv" else parquet.write_table(table, path)
    return path


def message(source, **options) -> str:
    with pytest.raises(DataError) as caught:
        load(source, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith((".", ")."))
    return sentence


def check_parts(data) -> None:
    for part in (data.train, data.test):
        assert len(part) == len(part.labels) == len(part.ids)
        assert part.labels.dtype == np.int64
        assert part.class_names == data.train.class_names
        assert part.read([0]).shape == (1, *part.shape)
        assert part.read([0]).dtype == np.float32
        assert part.read([]).shape == (0, *part.shape)
        assert (part.read([1, 0])[1] == part.read(slice(0, 1))[0]).all()
    trained = np.unique(data.train.labels)
    assert trained.tolist() == list(range(len(trained)))
    assert not set(data.train.ids) & set(data.test.ids)
