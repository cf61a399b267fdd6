"""What every source becomes: a training and a test part whose samples are read by index."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np

__all__ = ["DataError", "DataSet", "Preparation", "Samples"]

Kind = Literal["image", "table"]
How = Literal["class", "sample", "given"]
Split = Literal["auto", "class", "sample", "given"]


class DataError(ValueError):
    """Data that cannot be used, in one sentence: what came, what was expected, what to do."""


class Preparation(NamedTuple):
    """How raw samples became a network's inputs, so that other data can become the same."""

    shape: tuple[int, ...]  #: of one input, `(height, width, channels)` or `(features,)`
    mean: np.ndarray | None = None  #: (features,) taken off each feature of a table; None for images
    deviation: np.ndarray | None = None  #: (features,) each was divided by


class Store(Protocol):
    """Samples addressed by position; `Samples` is a selection of them."""

    preparation: Preparation

    def read(self, rows: np.ndarray) -> np.ndarray:
        """`(k, *shape)` float32."""
        ...

    def thumbnails(self, rows: np.ndarray) -> np.ndarray | None:
        """`(k, h, w)` or `(k, h, w, 3)` uint8, or None where there is nothing to look at."""
        ...


#: `(k,)` rows wanted and `(k,)` bool, which train, to a store of k samples and `(k,)` bool, which can be read
Opener = Callable[[np.ndarray, np.ndarray], tuple[Store, np.ndarray]]


class Source(NamedTuple):
    """What a reader finds before anything is split: labels first, the samples themselves on demand."""

    name: str
    kind: Kind
    labels: np.ndarray | None  #: (n,) of any type; None where the data has none
    ids: Sequence[str]
    in_test: np.ndarray | None  #: (n,) bool where the data says which part a sample belongs to
    open: Opener


class Samples:
    """One part of a data set, training or test.

    Attributes:
        labels: `(n,)` int64 codes into `class_names`.
        class_names: names of the classes of the whole data set; both parts share them. Classes of the
            training part come first, so its codes run from 0 without gaps.
        ids: where each sample came from, e.g. a path below the folder, or `"row 12"`.
        preparation: how they were brought to what `read` gives; `load_all` does the same to other data.
        shape: of one input, `(height, width, channels)` or `(features,)`.

    Example:
        >>> from nearfar.data import load
        >>> test = load("glyphs").test
        >>> test.read([0, 1]).shape, test.ids[0], test.class_names[test.labels[0]]
        ((2, 24, 24, 1), '竣/AoyagiKouzanFontT', '竣')
    """

    def __init__(
        self,
        store: Store,
        rows: np.ndarray,
        labels: np.ndarray,
        class_names: tuple[str, ...],
        ids: Sequence[str],
    ):
        self.labels = labels
        self.class_names = class_names
        self.ids = ids
        self.preparation = store.preparation
        self.shape = store.preparation.shape
        self._store = store
        self._rows = rows

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Samples({len(self)} of shape {self.shape} in {len(np.unique(self.labels))} classes)"

    def read(self, indices: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Inputs for a network.

        Args:
            indices: which samples, as NumPy would index them.

        Returns:
            `(k, *shape)` float32: images scaled to 0 ... 1, tables standardised by the training part's mean
            and deviation. Empty input gives `(0, *shape)`.

        Raises:
            DataError: an image file can no longer be read.
        """
        return self._store.read(self._rows[_selection(indices)])

    def thumbnails(self, indices: Sequence[int] | np.ndarray | slice) -> np.ndarray | None:
        """Small pictures to look at, at most 32 pixels wide and high.

        Args:
            indices: which samples, as NumPy would index them.

        Returns:
            `(k, h, w)` grey or `(k, h, w, 3)` colour uint8; None for tables.
        """
        return self._store.thumbnails(self._rows[_selection(indices)])


def _selection(indices: Sequence[int] | np.ndarray | slice) -> np.ndarray | slice:
    if isinstance(indices, slice):
        return indices
    indices = np.asarray(indices)
    return indices if indices.size else indices.astype(np.int64)  # an empty list would be floats


class DataSet(NamedTuple):
    """A training and a test part."""

    name: str
    kind: Kind
    split: How  #: how the two parts came about
    train: Samples
    test: Samples


class RowIds(Sequence[str]):
    """Names made from row numbers when asked for, so that a million of them cost nothing."""

    def __init__(self, prefix: str, rows: np.ndarray):
        self._prefix, self._rows = prefix, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.select(index)
        return f"{self._prefix}{self._rows[index]}"

    def select(self, rows: np.ndarray | slice) -> "RowIds":
        """The names of some rows."""
        return RowIds(self._prefix, self._rows[rows])


def select(ids: Sequence[str], rows: np.ndarray) -> Sequence[str]:
    """The ids of some rows."""
    return ids.select(rows) if isinstance(ids, RowIds) else [ids[int(row)] for row in rows]
