"""The nearest of many embeddings: search, a calibrated threshold, and matching with "no match"."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.arrays import as_embeddings, as_labels
from ..evaluation.distances import check_distance
from ..evaluation.neighbors import nearest
from ..evaluation.space import Distance, Space
from . import calibration, storage
from .approximate import Approximate, check_backend
from .payload import Where, positions, rows_where
from .table import Table

__all__ = ["EmbeddingIndex"]


class EmbeddingIndex:
    """Embeddings that can be searched, with a label and any other columns for each.

    Search is exact unless a faiss backend is asked for: candidates come from blocked matrix products, and are
    compared by float64 distances, equal ones in the order of their position. Rows are named by position, from
    0, in the order in which they were added; removing rows moves later ones up.

    Args:
        embeddings: (n, d) floats of any framework; n may be 0. They are copied.
        labels: (n,) integers of any width, bool or strings; needed by `match` and `calibrate`.
        payload: column name to one value a row (a dict of sequences, or a pandas or pyarrow table).
        distance: `"euclidean"`, `"squared_euclidean"`, `"cosine"` (1 - cosine), `"manhattan"`, `"chebyshev"`,
            `"dot"` (minus the inner product), or a function of (a, d), (r, d) arrays to (a, r) distances
            (cannot be saved).
        backend: `"exact"`; or `"faiss-flat"`, `"faiss-ivf"` or `"faiss-hnsw"` (need faiss; euclidean, squared
            euclidean, cosine and dot), of which the last two may miss neighbours.
        options: of faiss: `nlist` and `nprobe` of IVF, `m`, `ef_construction` and `ef_search` of HNSW.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity in a row, an unknown distance or backend.
        ImportError: a faiss backend where faiss is not installed.

    Example:
        >>> index = EmbeddingIndex([[0.0], [1.0], [5.0]], ["a", "a", "b"])
        >>> distances, indices = index.search([[0.9]], 2)
        >>> indices.tolist()
        [[1, 0]]
        >>> index.match([[0.9], [40.0]], threshold=2.0)
        ['a', None]
    """

    def __init__(
        self,
        embeddings: Any,
        labels: Any = None,
        *,
        payload: Mapping[str, Any] | None = None,
        distance: Distance = "euclidean",
        backend: str = "exact",
        options: Mapping[str, int] | None = None,
    ):
        check_distance(distance)
        check_backend(backend, distance)
        self.distance = distance
        self.backend = backend
        self.options = dict(options or {})
        self.threshold: float | None = None  #: up to which distance `match` accepts, once calibrated
        self.calibration: dict[str, Any] = {}  #: what `calibrate` measured at the threshold
        self._table = Table.of(embeddings, labels, payload)
        self._changed()

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        rows, width = self.embeddings.shape
        return f"EmbeddingIndex({rows} x {width}, distance={self.distance!r}, backend={self.backend!r})"

    @property
    def embeddings(self) -> NDArray[Any]:
        """(n, d) the indexed embeddings; not to be written to."""
        return self._table.embeddings

    @property
    def labels(self) -> NDArray[Any] | None:
        """(n,) the label of each row, or None."""
        return self._table.labels

    @property
    def payload(self) -> dict[str, NDArray[Any]]:
        """Columns of (n,), by name."""
        return self._table.payload

    def search(
        self, queries: Any, k: int = 10, *, where: Where = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The k nearest rows of each query.

        Args:
            queries: (q, d) floats of any framework.
            k: how many; cut to the number of rows searched.
            where: which rows to search: a dict of column (or `"label"`) to a value or a list of values, all
                of which must hold; an (n,) bool mask; or a function of the dict of columns that returns one.

        Returns:
            (q, k) distances, ascending, and (q, k) row positions. An approximate backend that finds fewer
            fills up with infinity and -1.

        Raises:
            ValueError: queries of another width, NaN or infinity in a row, k below 1, an unknown column.

        Example:
            >>> index = EmbeddingIndex([[0.0], [1.0]], payload={"year": [1999, 2024]})
            >>> index.search([[0.0]], 1, where={"year": 2024})[1].tolist()
            [[1]]
        """
        rows = self._queries(queries)
        if int(k) != k or k < 1:
            raise ValueError(f"k is {k}; expected a whole number, 1 or more.")
        among = rows_where(where, self._table.columns, len(self))
        if self.backend == "exact":
            return nearest(self._exact(), rows, int(k), among=among)
        if self._approximate is None:
            self._approximate = Approximate(self.embeddings, str(self.distance), self.backend, self.options)
        return self._approximate.search(self._exact(), rows, int(k), among)

    def add(
        self, embeddings: Any, labels: Any = None, *, payload: Mapping[str, Any] | None = None
    ) -> NDArray[np.int64]:
        """Append rows.

        Args:
            embeddings: (m, d) floats of any framework.
            labels: (m,), given if and only if the index has labels.
            payload: the same columns as the index has.

        Returns:
            (m,) their positions.

        Raises:
            ValueError: another width, missing or unexpected labels or columns; nothing is then added.
        """
        rows = Table.of(embeddings, labels, payload)
        self._table.append(rows)
        self._changed()
        return np.arange(len(self) - len(rows), len(self))

    def remove(self, rows: Any = None, *, where: Where = None) -> int:
        """Remove rows by position, or those for which `where` holds (see `search`); later rows move up.

        Returns:
            How many were removed.

        Raises:
            ValueError: neither or both given; positions outside the index; nothing is then removed.
        """
        if (rows is None) == (where is None):
            raise ValueError("remove takes row positions or where=, one of the two.")
        gone = (
            positions(rows, len(self)) if where is None else rows_where(where, self._table.columns, len(self))
        )
        kept = np.ones(len(self), bool)
        kept[gone] = False
        self._table.keep(kept)
        self._changed()
        return int((~kept).sum())

    def calibrate(
        self,
        embeddings: Any = None,
        labels: Any = None,
        *,
        far: float | None = None,
        precision: float | None = None,
        seed: int = 0,
    ) -> float:
        """Choose the threshold of `match`, on labelled data, and measure what it does there.

        - `far`: accept at most this share of the pairs (query, row) of different classes. A query meets every
          row, so with many rows the chance that some wrong row is accepted is much higher than for one pair.
        - `precision`: of the queries whose nearest row is accepted, at least this share has its label; the
          largest threshold that holds this.

        Args:
            embeddings: (q, d) queries to calibrate on; the index's own rows, each against the others, when
                left out. Data that the model was trained on gives thresholds that are too tight for new data.
            labels: (q,) of these queries; their classes need not all be in the index.
            far: wanted false-accept rate of pairs, 0 ... 1; 1e-3 where precision is not given either.
            precision: wanted share of right matches, 0 ... 1.
            seed: of the sample of a million pairs that is taken where there are more than five million.

        Returns:
            The threshold, which is kept; `calibration` then holds `far` and `frr` (false-reject rate) of
            pairs at it, and for a precision also `precision` and `coverage`, the share of queries that are
            matched.

        Raises:
            ValueError: no labels, both goals given, or no pair of different classes to calibrate on.

        Example:
            >>> index = EmbeddingIndex([[0.0], [0.2], [5.0], [5.2]], ["a", "a", "b", "b"])
            >>> round(index.calibrate(far=0.0), 6)
            2.5
        """
        if self.labels is None:
            raise ValueError(
                "The index has no labels; calibrate needs them: EmbeddingIndex(embeddings, labels)."
            )
        if (embeddings is None) != (labels is None):
            raise ValueError("calibrate takes embeddings and labels, or neither.")
        queries = None if embeddings is None else self._queries(embeddings)
        query_labels = None if queries is None else as_labels(labels, len(queries))
        goal = calibration.goal(far, precision)
        self.calibration = calibration.calibrate(
            self._exact(), self.labels, queries, query_labels, goal, seed
        )
        self.threshold = float(self.calibration["threshold"])
        return self.threshold

    def match(self, queries: Any, *, threshold: float | None = None, where: Where = None) -> list[Any]:
        """The label of each query's nearest row, or None where that is further off than the threshold.

        Args:
            queries: (q, d) floats of any framework.
            threshold: largest accepted distance; the calibrated one when left out.
            where: which rows to search, as in `search`.

        Raises:
            ValueError: no labels, or no threshold and not calibrated.
        """
        limit = self.threshold if threshold is None else threshold
        if self.labels is None:
            raise ValueError("The index has no labels; match needs them: EmbeddingIndex(embeddings, labels).")
        if limit is None:
            raise ValueError("The index has no threshold; call calibrate first, or give threshold=.")
        distances, rows = self.search(queries, 1, where=where)
        if not rows.shape[1]:
            return [None] * len(rows)
        found = self.labels[rows[:, 0]].tolist()
        return [label if near <= limit else None for label, near in zip(found, distances[:, 0], strict=True)]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the index to a folder of open files: NumPy arrays, parquet for a payload, and JSON.

        The folder holds either the old index or the new one, whole, whenever it is read, also after a crash:
        files are written beside the old ones and flushed, and one rename puts them in force. One writer at a
        time.

        Raises:
            TypeError: a distance that is a function, labels of mixed types, or payload values parquet cannot
                hold.
            ImportError: a payload where pyarrow is not installed.
        """
        if callable(self.distance):
            raise TypeError("distance is a function, which cannot be saved; use a named distance.")
        kept = ("distance", "backend", "options", "threshold", "calibration")
        facts = {name: getattr(self, name) for name in kept}
        storage.save(folder, self.embeddings, self.labels, self.payload, facts)

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], *, verify: bool = True, backend: str | None = None
    ) -> "EmbeddingIndex":
        """Read an index that `save` wrote; the embeddings stay on disk, memory-mapped, until they are needed.

        Args:
            folder: where it was saved.
            verify: whether to check the checksum of every file, which reads it once; sizes are checked
                always.
            backend: another one than it was saved with.

        Raises:
            FileNotFoundError: no such folder, or a file of the index is missing.
            ValueError: a foreign or damaged file, or a newer version, by name.
        """
        stored = storage.load(folder, verify)
        facts = stored.facts
        if backend is not None:
            facts["backend"] = backend
        index = cls(np.zeros((0, 0), np.float32), distance=facts["distance"], backend=facts["backend"])
        index.options = facts["options"]
        index._table = Table(stored.embeddings, stored.labels, stored.payload)
        index.threshold, index.calibration = facts["threshold"], facts["calibration"]
        return index

    def _queries(self, queries: Any) -> NDArray[Any]:
        rows, width = as_embeddings(queries, "queries"), self.embeddings.shape[1]
        if rows.shape[1] != width:
            raise ValueError(f"queries has {rows.shape[1]} columns but the index {width}; expected as many.")
        return rows

    def _exact(self) -> Space:
        if self._space is None:
            self._space = Space(self.embeddings, self.distance, np.float32)
        return self._space

    def _changed(self) -> None:
        self._space: Space | None = None
        self._approximate: Approximate | None = None
