"""What the pictures take in: embeddings, labels, columns and images, as plain NumPy arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]


def as_array(values: Any) -> NDArray[Any]:
    """Any framework's tensor, or a sequence, as a NumPy array."""
    if hasattr(
        values, "detach"
    ):  # a torch tensor that needs a gradient, or lies on a device, refuses np.asarray
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):
            values = values.float()
    return np.asarray(values)


def as_embeddings(embeddings: Any, name: str = "embeddings") -> NDArray[np.float32]:
    """Embeddings as an (n, d) float32 array.

    Raises:
        ValueError: for another rank, or NaN or infinity in a row.
    """
    array = as_array(embeddings)
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; expected (n, d), one row an item.")
    array = np.ascontiguousarray(array, dtype=np.float32)
    broken = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(broken):
        raise ValueError(
            f"{name} has NaN or infinity in {len(broken)} of {len(array)} rows (first: row {broken[0]}); "
            f"expected finite numbers, so leave those rows out."
        )
    return array


def as_labels(labels: Any, rows: int) -> NDArray[Any]:
    """Labels as an array of shape (n,); a last axis of one is squeezed.

    Raises:
        ValueError: where their number is not `rows`.
    """
    array = as_array(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (rows,):
        raise ValueError(
            f"labels has shape {array.shape} but embeddings has {rows} rows; "
            f"expected labels of shape ({rows},)."
        )
    if array.dtype.kind == "S" or (array.dtype.kind == "O" and any(isinstance(v, bytes) for v in array.flat)):
        array = np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in array])
    return array


def class_codes(labels: NDArray[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The distinct labels, sorted, and for each row the position of its own.

    Mixed types, which do not compare, are sorted by their text.
    """
    if labels.dtype.kind == "O":
        labels = np.array([str(v) for v in labels], dtype=str)
    values, codes = np.unique(labels, return_inverse=True)
    return values.tolist(), codes.reshape(-1).astype(np.int64)


def as_columns(metadata: Mapping[str, Any] | None, rows: int) -> Columns:
    """Metadata columns as arrays of shape (n,), in the order given.

    Args:
        metadata: column name to one value a row (a dict, or a pandas table), or None.
        rows: the number of rows that each must have.

    Raises:
        ValueError: where a column has another number of rows.
    """
    columns: Columns = {}
    for name in metadata if metadata is not None else ():
        column = as_array(metadata[name])  # type: ignore[index]  # None has no names
        if column.shape != (rows,):
            raise ValueError(
                f"metadata column {name!r} has shape {column.shape} but embeddings has {rows} rows; "
                f"expected one value a row."
            )
        columns[str(name)] = column
    return columns


def as_texts(values: Sequence[Any] | NDArray[Any]) -> list[str]:
    """Each value as text: what is missing as an empty text, whole floats as they print."""
    array = as_array(values)
    if array.dtype.kind == "f":
        digits = 6 if array.dtype.itemsize <= 4 else 10
        return ["" if np.isnan(v) else f"{v:.{digits}g}" for v in array.tolist()]
    return ["" if v is None or (isinstance(v, float) and np.isnan(v)) else _text(v) for v in array.tolist()]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
