"""From many dimensions to the two of a picture."""

import hashlib
import importlib.util
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .inputs import as_embeddings

_PACKAGES = {"pca": "numpy", "umap": "umap", "pacmap": "pacmap"}
_INSTALL = {"umap": "umap-learn", "pacmap": "pacmap"}
FEWEST = 10  #: rows that UMAP and PaCMAP can lay out
_MOST_RECENT = 8
_recent: dict[tuple, NDArray[np.float32]] = {}  # a layout takes minutes, and viewer and picture show the same


def available_projections() -> list[str]:
    """The methods that `project` can use here; `"pca"` needs nothing but NumPy and comes first.

    Example:
        >>> available_projections()[0]
        'pca'
    """
    return [method for method, package in _PACKAGES.items() if importlib.util.find_spec(package)]


def check_methods(methods: Sequence[str], rows: int | None = None) -> list[str]:
    """The methods, each once: known, installed, and fit for so many rows where their number is given.

    Raises:
        ValueError: for an unknown method, for none, or for too few rows for UMAP and PaCMAP.
        ImportError: for one whose package is not installed.
    """
    for method in methods or [""]:
        if method not in _PACKAGES:
            raise ValueError(
                f"The projection {method!r} is not known; expected some of {', '.join(_PACKAGES)}."
            )
        if importlib.util.find_spec(_PACKAGES[method]) is None:
            package = _INSTALL[method]
            raise ImportError(
                f"The projection {method!r} needs the package {package}, which is not installed; "
                f"run `pip install {package}` or use 'pca'."
            )
        if method != "pca" and rows is not None and rows < FEWEST:
            raise ValueError(
                f"The projection {method!r} has {rows} rows; expected at least {FEWEST}, so use 'pca'."
            )
    return list(dict.fromkeys(methods))


def project(embeddings: Any, method: str = "pca", *, seed: int = 0) -> NDArray[np.float32]:
    """Embeddings laid out in the plane.

    `"pca"` keeps the two directions of greatest variance and is linear: distances in the picture never exceed
    those in the space. `"umap"` and `"pacmap"` keep neighbourhoods instead and make clusters visible; sizes
    of clusters and distances between them mean little there.

    Args:
        embeddings: (n, d) floats, of any framework.
        method: `"pca"`, `"umap"` (package umap-learn) or `"pacmap"` (package pacmap).
        seed: of the methods that draw random numbers; the same seed gives the same picture.

    Returns:
        (n, 2) float32; (0, 2) for no rows. For one dimension the second coordinate is 0.

    Raises:
        ImportError: where the method's package is not installed.
        ValueError: for an unknown method, NaN or infinity in the embeddings, or too few rows for UMAP and
            PaCMAP.

    Example:
        >>> project([[0.0, 3.0], [0.0, -3.0], [1.0, 0.0], [-1.0, 0.0]]).tolist()
        [[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]

    References:
        McInnes, Healy, Melville, 2018, "UMAP: Uniform Manifold Approximation and Projection for Dimension
        Reduction", https://arxiv.org/abs/1802.03426. Wang, Huang, Rudin, Shaposhnik, 2021, "Understanding How
        Dimension Reduction Tools Work", https://jmlr.org/papers/v22/20-1061.html.
    """
    rows = as_embeddings(embeddings)
    check_methods([method], len(rows))
    if method == "pca":
        return _pca(rows)
    key = (method, seed, rows.shape, hashlib.blake2b(rows.tobytes()).digest())
    if key not in _recent:
        while len(_recent) >= _MOST_RECENT:
            del _recent[next(iter(_recent))]
        _recent[key] = (_umap if method == "umap" else _pacmap)(rows, seed)
    return _recent[key].copy()


def _pca(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.zeros((len(rows), 2), np.float32)
    if not rows.size:
        return out
    centred = rows.astype(np.float64)
    centred -= centred.mean(axis=0)
    count, dims = centred.shape
    # the smaller of the two Gram matrices has the same directions
    if dims <= count:
        _, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, ::-1][:, :2]
    else:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        axes = centred.T @ vectors[:, ::-1][:, :2]
        norms = np.linalg.norm(axes, axis=0)
        axes = np.where(
            values[::-1][:2] > 1e-12 * max(float(values[-1]), 1e-300), axes / np.maximum(norms, 1e-300), 0
        )
    # a direction's sign is arbitrary; fixed so that runs on different machines draw the same picture
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1, 1)
    out[:, : axes.shape[1]] = centred @ axes
    return out


def _umap(rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap

        model = umap.UMAP(n_components=2, n_neighbors=min(15, len(rows) - 1), random_state=seed, n_jobs=1)
        return np.asarray(model.fit_transform(rows), dtype=np.float32)


def _pacmap(rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pacmap

        logging.getLogger("pacmap.pacmap").setLevel(logging.ERROR)  # it warns of every seed
        model = pacmap.PaCMAP(n_components=2, n_neighbors=min(10, len(rows) - 1), random_state=seed)
        return np.asarray(model.fit_transform(rows), dtype=np.float32)
