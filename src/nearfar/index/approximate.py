"""faiss behind the index, where it is installed and asked for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.distances import normalised
from ..evaluation.space import Space

__all__ = ["BACKENDS", "Approximate", "check_backend"]

BACKENDS = ("exact", "faiss-flat", "faiss-ivf", "faiss-hnsw")
_DISTANCES = ("euclidean", "squared_euclidean", "cosine", "dot")
_SPARE = 8  # candidates beyond k, since faiss ranks by rounded float32 distances
_OPTIONS = {
    "faiss-flat": (),
    "faiss-ivf": ("nlist", "nprobe"),
    "faiss-hnsw": ("m", "ef_construction", "ef_search"),
}


def check_backend(backend: str, distance: Any) -> None:
    """Raises where a backend is unknown, not installed, or lacks the distance."""
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r} is not known; expected one of {', '.join(BACKENDS)}.")
    if backend == "exact":
        return
    if distance not in _DISTANCES:
        raise ValueError(f"{backend} has no distance {distance!r}; expected one of {', '.join(_DISTANCES)}.")
    _faiss()


class Approximate:
    """A faiss index of the embeddings; what it finds is ranked again by exact distances.

    Args:
        embeddings: (n, d).
        distance: one that faiss has.
        backend: one of `BACKENDS`, not `"exact"`.
        options: `nlist` (4 sqrt(n)) and `nprobe` (nlist / 16, at least 8) of IVF; `m` (32), `ef_construction`
            (100) and `ef_search` (64) of HNSW.
    """

    def __init__(self, embeddings: NDArray[Any], distance: str, backend: str, options: Mapping[str, int]):
        faiss: Any = _faiss()
        unknown = set(options) - set(_OPTIONS[backend])
        if unknown:
            raise ValueError(
                f"options has {sorted(unknown)}; {backend} has {', '.join(_OPTIONS[backend]) or 'none'}."
            )
        self._distance = distance
        self._backend = backend
        self._centre = np.zeros(embeddings.shape[1])
        if distance in ("euclidean", "squared_euclidean") and len(embeddings):
            self._centre = embeddings.mean(
                axis=0, dtype=np.float64
            )  # faiss would cancel digits of a common offset
        metric = faiss.METRIC_INNER_PRODUCT if distance in ("cosine", "dot") else faiss.METRIC_L2
        width, count = embeddings.shape[1], max(len(embeddings), 1)
        if backend == "faiss-ivf":
            lists = max(
                1, min(int(options.get("nlist", 4 * count**0.5)), count // 39 or 1)
            )  # faiss wants 39 a list
            flat = faiss.IndexFlat(width, metric)
            self._index: Any = faiss.IndexIVFFlat(flat, width, lists, metric)
            self._parameters: Any = faiss.SearchParametersIVF()
            self._parameters.nprobe = min(lists, options.get("nprobe", max(8, lists // 16)))
        elif backend == "faiss-hnsw":
            self._index = faiss.IndexHNSWFlat(width, options.get("m", 32), metric)
            self._index.hnsw.efConstruction = options.get("ef_construction", 100)
            self._parameters = faiss.SearchParametersHNSW()
            self._parameters.efSearch = options.get("ef_search", 64)
        else:
            self._index = faiss.IndexFlat(width, metric)
            self._parameters = faiss.SearchParameters()
        if len(embeddings):
            rows = self._prepared(embeddings)
            self._index.train(rows)
            self._index.add(rows)

    def search(
        self, space: Space, queries: NDArray[Any], k: int, among: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """As `nearest`; rows that faiss does not find are filled up with infinity and -1."""
        faiss: Any = _faiss()
        count = self._index.ntotal if among is None else len(among)
        k = min(k, count)
        if not k or not len(queries):
            return np.zeros((len(queries), k)), np.zeros((len(queries), k), np.int64)
        wanted = min(k + _SPARE, count)
        if self._backend == "faiss-hnsw":
            self._parameters.efSearch = max(self._parameters.efSearch, wanted)
        self._parameters.sel = None if among is None else faiss.IDSelectorBatch(among)
        # faiss.contrib.torch_utils, where some package imports it, puts a search without params in its place
        search = getattr(self._index, "search_numpy", self._index.search)
        positions = search(self._prepared(queries), wanted, params=self._parameters)[1]
        rows = np.repeat(np.arange(len(queries)), wanted)
        flat = positions.reshape(-1)
        found = flat >= 0
        distances = np.full(len(flat), np.inf)
        distances[found] = space.pairs(queries, rows[found], flat[found])
        order = np.lexsort((flat, distances, rows)).reshape(positions.shape)[:, :k]
        return distances[order], flat[order].astype(np.int64)

    def _prepared(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        out = np.empty(rows.shape, np.float32)
        for start in range(0, len(rows), 16384):
            part = slice(start, start + 16384)
            out[part] = normalised(rows[part]) if self._distance == "cosine" else rows[part] - self._centre
        return out


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "The faiss backends need faiss, which is missing: pip install faiss-cpu."
        ) from error
    return faiss
