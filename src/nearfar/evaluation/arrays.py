"""What evaluation takes in: embeddings and labels of any framework, as NumPy arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_array", "as_codes", "as_embeddings", "as_labels"]


def as_array(values: Any) -> NDArray[Any]:
    """A tensor of any framework, or a sequence, as a NumPy array on the host."""
    if hasattr(values, "detach"):  # torch refuses np.asarray where a gradient is needed, or on a device
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):
            values = values.float()
    array = np.asarray(values)
    if array.dtype.kind == "f" and isinstance(values, list | tuple) and all(type(v) is int for v in values):
        return np.array(values, dtype=object)  # [-1, 2**63] would become floats and lose digits
    return array


def as_embeddings(embeddings: Any, name: str = "embeddings") -> NDArray[Any]:
    """Embeddings as an (n, d) float32 array, or float64 where they were.

    Raises:
        ValueError: another rank; or NaN or infinity, naming the rows.
    """
    array = as_array(embeddings)
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; expected (n, d), one row an item.")
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise TypeError(f"{name} is of type {array.dtype}; expected real numbers.")
    wide = array.dtype == np.float64 or (array.dtype.kind in "iu" and array.dtype.itemsize > 2)
    array = np.ascontiguousarray(array, np.float64 if wide else np.float32)
    rows = [np.isfinite(array[i : i + 65536]).all(axis=1) for i in range(0, len(array), 65536)]
    broken = np.flatnonzero(~np.concatenate(rows)) if rows else np.zeros(0, int)
    if len(broken):
        shown = ", ".join(map(str, broken[:5])) + (", ..." if len(broken) > 5 else "")
        raise ValueError(
            f"{name} has NaN or infinity in {len(broken)} of {len(array)} rows ({shown}); "
            "expected finite numbers: mend the model that made them, or leave those rows out."
        )
    return array


def as_labels(labels: Any, rows: int, name: str = "labels", of: str = "embeddings") -> NDArray[Any]:
    """Labels as an array of shape (n,); a last axis of one is squeezed.

    Raises:
        ValueError: not one label a row.
        TypeError: floats, in which ids above 2^24 or 2^53 collide.
    """
    array = as_array(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (rows,):
        raise ValueError(
            f"{name} has shape {array.shape} but {of} has {rows} rows; expected {name} of shape ({rows},)."
        )
    if array.dtype.kind == "f" and array.size:
        raise TypeError(
            f"{name} is of type {array.dtype}; expected integers, bool or strings: cast them first."
        )
    if array.dtype.kind == "O":
        array = np.array([v.decode() if isinstance(v, bytes) else v for v in array], dtype=object)
    elif array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    return array


def as_codes(*labels: NDArray[Any]) -> tuple[list[Any], list[NDArray[np.int64]]]:
    """The distinct labels of all arrays in order, and for each array the positions of its labels in them."""
    kinds = {array.dtype.kind for array in labels if array.size}
    if kinds <= {"i", "b"} or kinds in ({"u"}, {"U"}):
        names, codes = np.unique(np.concatenate(labels), return_inverse=True)
        names = names.tolist()
    else:  # signed and unsigned together would become floats; mixed types do not compare
        joined = [v for array in labels for v in array.tolist()]
        names = list(dict.fromkeys(joined))
        try:
            names = sorted(names)
        except TypeError:
            names = sorted(names, key=lambda v: (type(v).__name__, str(v)))
        position = {name: i for i, name in enumerate(names)}
        codes = np.array([position[v] for v in joined], dtype=np.int64)
    ends = np.cumsum([len(array) for array in labels])[:-1]
    return names, [part.astype(np.int64) for part in np.split(codes.reshape(-1), ends)]
