"""The rows of an index: embeddings that can grow and shrink, with labels and columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.arrays import as_embeddings, as_labels
from .payload import as_payload, joined, labels_together

__all__ = ["Table"]


class Table:
    """Rows of embeddings with a label and columns each; an append keeps room for as many again."""

    def __init__(
        self, embeddings: NDArray[Any], labels: NDArray[Any] | None, payload: dict[str, NDArray[Any]]
    ):
        self.labels = labels  #: (n,) or None
        self.payload = payload  #: columns of (n,)
        self._store = embeddings
        self._count = len(embeddings)

    @classmethod
    def of(cls, embeddings: Any, labels: Any, payload: Mapping[str, Any] | None) -> "Table":
        """Checked copies of what a caller gives."""
        rows = as_embeddings(embeddings)
        own = rows if rows.flags.owndata and rows is not embeddings else rows.copy()
        named = None if labels is None else as_labels(labels, len(rows)).copy()
        return cls(own, named, as_payload(payload, len(rows)))

    def __len__(self) -> int:
        return self._count

    @property
    def embeddings(self) -> NDArray[Any]:
        """(n, d)"""
        return self._store[: self._count]

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The payload and, unless it has such a column, `label`."""
        return self.payload if self.labels is None else {"label": self.labels, **self.payload}

    def append(self, other: "Table") -> None:
        """The other's rows behind these.

        Raises:
            ValueError: another width, or labels or columns on one side alone; nothing is then appended.
        """
        if self._count and other.embeddings.shape[1] != self._store.shape[1]:
            raise ValueError(
                f"embeddings has {other.embeddings.shape[1]} columns but the index {self._store.shape[1]}; "
                "expected as many."
            )
        if self._count and (other.labels is None) != (self.labels is None):
            state = "has no labels" if self.labels is None else "has labels"
            raise ValueError(f"The index {state}; expected rows to be added likewise.")
        columns = joined(self.payload, other.payload, self._count)
        if other.labels is not None:
            self.labels = other.labels if self.labels is None else labels_together(self.labels, other.labels)
        self.payload = columns
        self._grow(other.embeddings)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """These rows alone."""
        self._store = self.embeddings[mask]
        self._count = len(self._store)
        self.labels = None if self.labels is None else self.labels[mask]
        self.payload = {name: column[mask] for name, column in self.payload.items()}

    def _grow(self, rows: NDArray[Any]) -> None:
        needed = self._count + len(rows)
        kind = np.result_type(self._store, rows) if self._count else rows.dtype
        if needed > len(self._store) or kind != self._store.dtype or not self._store.flags.writeable:
            grown = np.empty(
                (max(needed, 2 * self._count), rows.shape[1]), kind
            )  # doubling keeps adding cheap
            if self._count:
                grown[: self._count] = self.embeddings
            self._store = grown
        self._store[self._count : needed] = rows
        self._count = needed
