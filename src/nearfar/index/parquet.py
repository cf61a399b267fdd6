"""Payload columns in a parquet file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_parquet", "write_parquet"]


def write_parquet(path: Path, columns: dict[str, NDArray[Any]]) -> None:
    """Write columns of one length.

    Raises:
        ImportError: where pyarrow is not installed.
        TypeError: values of a column that parquet cannot hold.
    """
    pyarrow, parquet = _modules()
    arrays = {}
    for name, column in columns.items():
        try:
            arrays[name] = pyarrow.array(column if column.dtype.kind in "biuf" else column.tolist())
        except (pyarrow.ArrowException, TypeError, ValueError) as error:
            raise TypeError(f"payload column {name!r} cannot be saved as parquet: {error}.") from error
    parquet.write_table(pyarrow.table(arrays), path)


def read_parquet(path: Path) -> dict[str, NDArray[Any]]:
    """Columns as arrays: numbers and bools in their dtype, all else, and columns with gaps, as Python
    objects.

    Raises:
        ImportError: where pyarrow is not installed.
        ValueError: a file that is not parquet.
    """
    pyarrow, parquet = _modules()
    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a parquet file ({error}); restore it.") from error
    return {name: _column(pyarrow, table.column(name)) for name in table.column_names}


def _column(pyarrow: Any, column: Any) -> NDArray[Any]:
    kind = column.type
    plain = (
        pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_boolean(kind)
    )
    if plain and not column.null_count:
        return column.to_numpy(zero_copy_only=False)
    values = column.to_pylist()
    if pyarrow.types.is_string(kind) and not column.null_count:
        return np.array(values, dtype=str)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _modules() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "A payload is saved as parquet, which needs pyarrow: pip install pyarrow."
        ) from error
    return pyarrow, pyarrow.parquet
