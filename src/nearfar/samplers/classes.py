"""Rows grouped by their class."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Classes", "as_numpy", "grouped"]


class Classes(NamedTuple):
    """Rows in the order of their classes: class `c` is `rows[starts[c] : starts[c] + counts[c]]`."""

    names: np.ndarray  #: (c,) the labels, ascending
    rows: np.ndarray  #: (n,)
    starts: np.ndarray  #: (c,)
    counts: np.ndarray  #: (c,)


def as_numpy(values: Any) -> np.ndarray:
    """Any framework's tensor, or a list, as an array."""
    if hasattr(
        values, "detach"
    ):  # torch refuses np.asarray where a gradient is needed, on a device, and for bfloat16
        values = values.detach().cpu()
        values = values.float() if "bfloat16" in str(values.dtype) else values
    return np.asarray(values)


def grouped(labels: Any) -> Classes:
    """The classes of labels `(n,)` or `(n, 1)`.

    Raises:
        ValueError: another shape.
    """
    labels = as_numpy(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"labels has shape {labels.shape}; expected (n,), one label a row.")
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rows = np.argsort(codes, kind="stable")
    return Classes(names, rows, np.cumsum(counts) - counts, counts)
