"""Geometry: how embeddings fill their space, and whether they collapse."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_codes, as_embeddings, as_labels
from .distances import normalised
from .neighbors import nearest
from .space import Space

__all__ = ["Geometry", "geometry"]

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Geometry:
    """Shape of an embedding; all 0 where there are fewer than two embeddings."""

    alignment: (
        float  #: mean squared distance of two items of one class, on the unit sphere, 0 ... 4; low is near
    )
    uniformity: (
        float  #: log of the mean of exp(-2 squared distance) on the unit sphere, -8 ... 0; low is spread out
    )
    effective_rank: float  #: exp of the entropy of the shares of the singular values, 1 ... dimensions
    collapsed_dimensions: (
        float  #: share of principal directions with under 1 % of the largest one's deviation
    )
    hubness: float  #: skewness of how often an item is among others' k nearest; high where there are hubs
    norm_mean: float  #: mean length of an embedding
    norm_std: float  #: its standard deviation
    dimensions: int  #: length of an embedding
    items: int  #: how many embeddings there are
    items_compared: int  #: how many of them uniformity and hubness are taken over

    def to_dict(self) -> dict[str, Any]:
        """As plain Python numbers."""
        return asdict(self)


def geometry(
    embeddings: Any,
    labels: Any = None,
    *,
    k: int = 10,
    most: int = 20_000,
    tolerance: float = 0.01,
    seed: int = 0,
) -> Geometry:
    """Alignment, uniformity, effective rank, collapsed dimensions and hubness.

    - alignment: `mean |x - y|^2` over all pairs of one class, of unit length
    - uniformity: `log mean exp(-2 |x - y|^2)` over all pairs, of unit length
    - effective rank: `exp(-sum p_i log p_i)`, `p_i` the share of the i-th singular value of the centred
      embeddings
    - collapsed dimensions: share of principal directions whose standard deviation is below `tolerance` times
      the largest; 1 where all embeddings are equal
    - hubness: with `N(x)` how many items have x among their k nearest (euclidean), `mean (N - mean N)^3 /
      std(N)^3`

    Args:
        embeddings: (n, d) floats of any framework.
        labels: (n,) integers of any width, bool or strings; without them, and without a pair of one class,
            the alignment is 0.
        k: neighbours of an item that hubness counts.
        most: with more items, uniformity and hubness are taken over a seeded sample of so many, since their
            time grows with the square.
        tolerance: below which share of the largest deviation a direction has collapsed.
        seed: of that sample.

    Returns:
        The measures; all 0 where there are fewer than two embeddings.

    Raises:
        ValueError: shapes that do not fit, or NaN or infinity in a row.

    Example:
        >>> result = geometry([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [0, 0, 1, 1])
        >>> result.alignment, round(result.effective_rank, 6)
        (4.0, 2.0)

    References:
        Wang, Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on
        the Hypersphere", 2020, https://arxiv.org/abs/2005.10242 (exponent 2, t = 2); Roy, Vetterli, "The
        effective rank: A measure of effective dimensionality", 2007 (the matrix is centred here);
        Radovanović, Nanopoulos, Ivanović, "Hubs in Space", 2010,
        https://jmlr.org/papers/v11/radovanovic10a.html
    """
    rows = as_embeddings(embeddings)
    codes = None if labels is None else as_codes(as_labels(labels, len(rows)))[1][0]
    if len(rows) < 2:
        return Geometry(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, rows.shape[1], len(rows), len(rows))
    unit = normalised(rows)
    chosen = np.arange(len(rows))
    if len(rows) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))
    spectrum = _singular_values(rows)
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    return Geometry(
        alignment=0.0 if codes is None else _alignment(unit, codes),
        uniformity=_uniformity(unit[chosen]),
        effective_rank=_effective_rank(spectrum),
        collapsed_dimensions=float((spectrum <= tolerance * spectrum.max(initial=0)).mean())
        if len(spectrum)
        else 0.0,
        hubness=_hubness(rows[chosen], k),
        norm_mean=float(norms.mean()),
        norm_std=float(norms.std()),
        dimensions=rows.shape[1],
        items=len(rows),
        items_compared=len(chosen),
    )


def _alignment(unit: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    # sum over pairs of |x - y|^2 is n sum |x - mean|^2: no pair is visited
    counts = np.bincount(codes)
    means = np.stack([np.bincount(codes, column) for column in unit.T], axis=1) / counts[:, None]
    spread = np.bincount(codes, ((unit - means[codes]) ** 2).sum(axis=1))
    pairs = (counts * (counts - 1) / 2).sum()
    return float((counts * spread).sum() / pairs) if pairs else 0.0


def _uniformity(unit: NDArray[np.float64]) -> float:
    squares = np.einsum("nd,nd->n", unit, unit)
    step = max(1, _BLOCK // len(unit))
    total = 0.0
    for start in range(0, len(unit) - 1, step):
        part, others = unit[start : start + step], unit[start:]
        squared = squares[start : start + step, None] + squares[None, start:] - 2 * part @ others.T
        later = np.arange(len(others))[None, :] > np.arange(len(part))[:, None]  # each pair once
        total += float(np.exp(-2 * np.maximum(squared, 0), where=later, out=np.zeros_like(squared)).sum())
    return float(np.log(total / (len(unit) * (len(unit) - 1) / 2)))


def _singular_values(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Of the centred rows, one a dimension, ascending; 0 where there are more dimensions than rows."""
    width = rows.shape[1]
    centre = rows.mean(axis=0, dtype=np.float64)
    if len(rows) < width:
        found = np.linalg.svd(rows - centre, compute_uv=False).astype(np.float64)
        return np.concatenate([np.zeros(width - len(found)), found[::-1]])
    gram = np.zeros((width, width))
    for start in range(0, len(rows), 8192):
        part = rows[start : start + 8192] - centre
        gram += part.T @ part
    spectrum = np.linalg.eigvalsh(gram).astype(np.float64) if width else np.zeros(0)
    return np.sqrt(np.maximum(spectrum, 0))


def _effective_rank(spectrum: NDArray[np.float64]) -> float:
    if not spectrum.sum() > 0:
        return 0.0
    shares = spectrum[spectrum > 0] / spectrum.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _hubness(rows: NDArray[Any], k: int) -> float:
    near = nearest(Space(rows, "euclidean", np.float32), rows, k, leave_out=np.arange(len(rows)))[1]
    occurrences = np.bincount(near.reshape(-1), minlength=len(rows)).astype(np.float64)
    deviation = occurrences - occurrences.mean()
    std = float(np.sqrt((deviation**2).mean()))
    return float((deviation**3).mean() / std**3) if std > 0 else 0.0
