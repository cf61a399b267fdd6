"""Clustering: does k-means find the classes again?"""

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .arrays import as_codes, as_embeddings, as_labels

__all__ = ["Clustering", "clustering"]


@dataclass(frozen=True)
class Clustering:
    """Agreement of k-means clusters with the classes."""

    nmi: float  #: normalised mutual information, 0 ... 1; grows with the number of clusters even by chance
    ami: float  #: the same adjusted for chance: 0 is what random clusters get, 1 perfect
    clusters: int  #: how many clusters k-means was asked for
    items: int  #: how many embeddings were clustered

    def to_dict(self) -> dict[str, Any]:
        """As plain Python numbers."""
        return asdict(self)


def clustering(
    embeddings: Any, labels: Any, *, clusters: int | None = None, starts: int = 1, seed: int = 0
) -> Clustering:
    """Cluster by k-means, as many clusters as classes, and compare with the classes.

    Prefer AMI: NMI is higher for more clusters even where they are random.

    Args:
        embeddings: (n, d) floats of any framework.
        labels: (n,) integers of any width, bool or strings.
        clusters: how many; the number of distinct labels when left out, never more than n.
        starts: k-means++ starts, of which the tightest clustering counts; one, as scikit-learn takes of itself.
        seed: of the starts.

    Returns:
        NMI (arithmetic mean of the two entropies) and AMI; both 0 where there are no embeddings.

    Raises:
        ValueError: shapes that do not fit, or NaN or infinity in a row.
        ImportError: where scikit-learn is not installed.

    Example:
        >>> clustering([[0.0], [0.1], [5.0], [5.1]], ["a", "a", "b", "b"]).ami
        1.0

    References:
        Vinh, Epps, Bailey, "Information Theoretic Measures for Clusterings Comparison", 2010,
        https://jmlr.org/papers/v11/vinh10a.html
    """
    rows = as_embeddings(embeddings)
    names, (codes,) = as_codes(as_labels(labels, len(rows)))
    count = min(len(names) if clusters is None else clusters, len(rows))
    if not len(rows) or count < 1:
        return Clustering(0.0, 0.0, 0, len(rows))
    try:
        from sklearn.cluster import KMeans
        from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score
    except ImportError as error:
        raise ImportError(
            "clustering needs scikit-learn, which is missing: pip install scikit-learn."
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct rows than clusters: the measures say so already
        found = KMeans(count, n_init=starts, random_state=seed).fit_predict(rows)  # type: ignore[arg-type]  # stubs want "auto"
    nmi = normalized_mutual_info_score(codes, found)
    ami = adjusted_mutual_info_score(codes, found)
    return Clustering(float(np.clip(nmi, 0, 1)), float(ami), count, len(rows))
