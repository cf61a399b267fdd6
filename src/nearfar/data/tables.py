"""Arrays in `.npz` and feature tables in `.csv`, `.tsv` and `.parquet`."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .arrays import from_arrays
from .samples import DataError, Preparation, RowIds, Source

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_npz", "read_table"]

_BLOCK = 65536


def read_npz(path: Path, like: int | Preparation | None, *, labelled: bool = True) -> Source:
    """`x`, `y` and optionally `split` of an `.npz` file; without `labelled` it may lack `y`.

    Raises:
        DataError: another file, arrays missing or of other lengths, or numbers that are not finite.
    """
    try:
        with np.load(path) as file:
            missing = [name for name in ("x", "y")[: 1 + labelled] if name not in file.files]
            if missing:
                raise DataError(
                    f"{path} holds {', '.join(file.files) or 'no arrays'}; expected x and y, and optionally "
                    f"split ({' and '.join(missing)} not found)."
                )
            x, y = file["x"], file["y"] if "y" in file.files else None
            split = file["split"] if "split" in file.files else None
    except (zipfile.BadZipFile, EOFError, OSError, AttributeError) as error:
        reason = error or type(error).__name__
        raise DataError(f"{path} is not a whole .npz file ({reason}); save it again.") from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} cannot be read without running code in it ({error}); save x as numbers, y as integers "
            "or text."
        ) from None
    y = y[:, 0] if y is not None and y.ndim == 2 and y.shape[1] == 1 else y
    if x.ndim < 2 or x.dtype.kind not in "biuf":
        raise DataError(
            f"{path}: x has shape {x.shape} and type {x.dtype}; expected numbers of shape (n, features), "
            "(n, height, width) or (n, height, width, channels)."
        )
    if y is not None and y.shape != x.shape[:1]:
        raise DataError(
            f"{path}: y has shape {y.shape} but x has {len(x)} rows; expected y of shape ({len(x)},)."
        )
    _check_finite(path, x, None)
    in_test = _in_test(path, split, len(x)) if labelled else None
    return from_arrays(path.stem, x, y, _ids(len(x)), in_test, like)


def read_table(path: Path, label: str | None, like: Preparation | None, *, labelled: bool = True) -> Source:
    """The numeric columns, the label column and optionally the column `split` of a table.

    Without `labelled` a table may lack the column `label`.

    Raises:
        DataError: no such label column, columns that are not numbers, numbers that are not finite, another
            split.
    """
    table = _arrow(path)
    column = label or "label"
    labels = _labels(path, table, column) if labelled or label or column in table.column_names else None
    names = [name for name in table.column_names if name not in (column, "split")]
    if "embedding" in names and _is_list(table.column("embedding").type):
        names = ["embedding"]
    if not names:
        raise DataError(f"{path} has no column beside {column!r}; expected numeric features.")
    features = _features(path, table, names)
    split = None
    if "split" in table.column_names and column != "split":
        split = np.array(table.column("split").to_pylist(), dtype=object)
    in_test = _in_test(path, split, len(features)) if labelled else None
    return from_arrays(path.stem, features, labels, _ids(len(features)), in_test, like)


def _labels(path: Path, table: "pa.Table", name: str) -> np.ndarray:
    if name not in table.column_names:
        raise DataError(
            f"{path} has no column {name!r}; its columns are {', '.join(table.column_names)}: name the one "
            "with the classes (--label COLUMN)."
        )
    column = table.column(name)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(
            f"{path}: the label of row {row} is missing (the first row is 0); fill it or drop the row."
        )
    return _values(column)


def _arrow(path: Path) -> "pa.Table":
    try:
        import pyarrow as pa
        from pyarrow import csv, parquet
    except ImportError:
        raise DataError(f"reading {path.name} needs pyarrow: pip install 'nearfar[train]'.") from None
    name = path.name.lower()
    try:
        if name.endswith((".parquet", ".pq")):
            table = parquet.read_table(path)
        else:
            delimiter = "\t" if ".tsv" in name else ","
            table = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=delimiter))
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as a table ({reason}).") from None
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise DataError(f"{path} has several columns named {twice[0]!r}; expected each name once.")
    if not table.num_rows:
        raise DataError(f"{path} has no rows; expected at least two of each of two classes.")
    return table


def _values(column: "pa.ChunkedArray") -> np.ndarray:
    import pyarrow as pa

    column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    return column.to_numpy()


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_number(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _features(path: Path, table: "pa.Table", names: list[str]) -> np.ndarray:
    columns, titles = [], []
    for name in names:
        column = table.column(name)
        inner = column.type.value_type if _is_list(column.type) else column.type
        if not _is_number(inner):
            raise DataError(
                f"{path}: column {name!r} holds {column.type}, not numbers; encode it as numbers, drop it, "
                "or name it as the label (--label)."
            )
        values = _list_column(path, name, column) if _is_list(column.type) else _plain(column)[:, None]
        columns.append(values)
        titles += (
            [name] if not _is_list(column.type) else [f"{name}[{place}]" for place in range(values.shape[1])]
        )
    features = columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)
    _check_finite(path, features, titles)
    return features


def _plain(column) -> np.ndarray:
    import pyarrow as pa

    values = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    # booleans with nulls come as objects
    return values.astype(np.float64) if values.dtype.kind in "Oiub" else values


def _list_column(path: Path, name: str, column: "pa.ChunkedArray") -> np.ndarray:
    from pyarrow import compute

    lengths = compute.call_function("list_value_length", [column]).to_numpy()
    wrong = np.flatnonzero(lengths != lengths[0])  # also catches missing lists, whose length is NaN
    if len(wrong) or not lengths[0] > 0:
        row = int(wrong[0]) if len(wrong) else 0
        raise DataError(
            f"{path}: the list in column {name!r}, row {row} (the first is 0), has {lengths[row]:g} numbers "
            f"and that of row 0 has {lengths[0]:g}; expected lists of one length."
        )
    return _plain(compute.call_function("list_flatten", [column])).reshape(len(column), -1)


def _check_finite(path: Path, x: np.ndarray, titles: list[str] | None) -> None:
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), _BLOCK):
        bad = ~np.isfinite(x[start : start + _BLOCK])
        if bad.any():
            place = np.argwhere(bad)[0]
            value = x[start + place[0], *place[1:]]
            row, rest = start + int(place[0]), tuple(int(i) for i in place[1:])
            if titles is not None:
                where = f"column {titles[rest[0]]!r}, row {row}"
            else:
                where = (
                    f"x, column {rest[0]}, row {row}" if len(rest) == 1 else f"x, image {row}, pixel {rest}"
                )
            raise DataError(
                f"{path}: {where} is {value} (the first row is 0); expected finite numbers: fill such "
                "values or drop the rows."
            )


def _in_test(path: Path, split: np.ndarray | None, n: int) -> np.ndarray | None:
    if split is None:
        return None
    if split.shape != (n,):
        raise DataError(f"{path}: split has shape {split.shape} but there are {n} rows; expected ({n},).")
    words = [word.decode("utf-8", "replace") if isinstance(word, bytes) else word for word in split.tolist()]
    for row, word in enumerate(words):
        if word not in ("train", "test"):
            raise DataError(
                f"{path}: split of row {row} is {word!r} (the first row is 0); expected 'train' or 'test'."
            )
    in_test = np.array([word == "test" for word in words])
    if in_test.all() or not in_test.any():
        raise DataError(
            f"{path}: split says {words[0]!r} in every row; expected both 'train' and 'test', or no split "
            "at all."
        )
    return in_test


def _ids(n: int) -> RowIds:
    return RowIds("row ", np.arange(n))
