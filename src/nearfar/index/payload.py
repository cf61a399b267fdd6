"""Columns beside the embeddings, and which rows a filter leaves."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.arrays import as_array

__all__ = ["Where", "as_payload", "joined", "labels_together", "positions", "rows_where"]

Columns = dict[str, NDArray[Any]]
Where = Mapping[str, Any] | NDArray[Any] | Callable[[Columns], Any] | None


def as_payload(payload: Mapping[str, Any] | None, rows: int) -> Columns:
    """Columns as arrays of shape (n,); what is neither number, bool nor text stays Python objects.

    Raises:
        ValueError: a column with another number of values than there are rows.
    """
    columns: Columns = {}
    if payload is None:
        return columns
    names = getattr(
        payload, "column_names", payload
    )  # a pyarrow table iterates over its columns, not their names
    for name in names:
        values = payload[name]
        array = as_array(
            values.to_numpy(zero_copy_only=False) if hasattr(values, "chunks") else _listed(values)
        )
        if array.ndim != 1:  # equally long lists became a matrix
            array = np.empty(len(values), dtype=object)
            array[:] = list(values)
        if len(array) != rows:
            raise ValueError(
                f"payload column {name!r} has {len(array)} values for {rows} rows; expected one a row."
            )
        columns[str(name)] = array.copy()
    return columns


def joined(old: Columns, new: Columns, rows: int) -> Columns:
    """The new columns' values behind the old ones.

    Raises:
        ValueError: other columns than there are, unless there are no rows yet.
    """
    if not rows and not old:
        return new
    if set(old) != set(new):
        raise ValueError(f"payload has columns {sorted(new)} but the index {sorted(old)}; expected the same.")
    return {name: labels_together(column, new[name]) for name, column in old.items()}


def labels_together(old: NDArray[Any], new: NDArray[Any] | None) -> NDArray[Any]:
    """Two columns in one, without a conversion that loses digits or turns numbers into text."""
    if new is None or not len(new):
        return old
    if not len(old):
        return new
    kinds = {old.dtype.kind, new.dtype.kind}
    if len(kinds) == 1 or kinds <= {"i", "f"}:
        return np.concatenate([old, new])
    return np.array([*old.tolist(), *new.tolist()], dtype=object)


def rows_where(where: Where, columns: Columns, rows: int) -> NDArray[np.int64] | None:
    """Ascending positions of the rows for which a filter holds; None where there is no filter.

    Raises:
        ValueError: an unknown column, or a mask of another length.
    """
    if where is None:
        return None
    if isinstance(where, Mapping):
        mask = np.ones(rows, bool)
        for name, wanted in where.items():
            if name not in columns:
                raise ValueError(
                    f"where names {name!r}; expected one of {', '.join(columns) or 'no columns'}."
                )
            mask &= _is_one_of(columns[name], wanted)
        return np.flatnonzero(mask)
    mask = np.asarray(where(columns) if callable(where) else as_array(where))
    if mask.shape != (rows,) or mask.dtype != bool:
        raise ValueError(
            f"where is {mask.dtype} of shape {mask.shape}; expected a bool for each of {rows} rows."
        )
    return np.flatnonzero(mask)


def positions(rows: Any, count: int) -> NDArray[np.int64]:
    """Row positions, checked.

    Raises:
        ValueError: one outside 0 ... count - 1.
    """
    found = np.asarray(rows, dtype=np.int64).reshape(-1)
    if found.size and (found.min() < 0 or found.max() >= count):
        raise ValueError(f"rows names {found.min()} to {found.max()}; expected positions 0 to {count - 1}.")
    return found


def _is_one_of(column: NDArray[Any], wanted: Any) -> NDArray[np.bool_]:
    several = isinstance(wanted, Collection) and not isinstance(wanted, str | bytes)
    values = list(wanted) if several else [wanted]
    if column.dtype.kind == "O":
        return np.fromiter((value in values for value in column), bool, len(column))
    mask = np.zeros(len(column), bool)
    for value in values:  # one by one: np.isin would bring values of several types to one
        mask |= np.asarray(column == value, bool)
    return mask


def _listed(values: Any) -> Any:
    """Values as they are, or a sequence of mixed types as objects: NumPy would turn numbers into text."""
    if hasattr(values, "dtype") or not isinstance(values, list | tuple):
        return values
    kinds = {type(value) for value in values}
    if len(kinds) > 1 or not kinds <= {int, float, bool, str}:
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out
    return values
