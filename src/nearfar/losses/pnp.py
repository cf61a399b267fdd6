"""Penalties on the negatives that come before each positive."""

from ..backends import Tensor, backend_of
from ..pair_mining import has_both
from ..pairs import Pairs
from ..reduction import Terms, safe_divide, weighted
from ._batch import over_batch
from ._ranks import soft_counts

__all__ = ["pnp_loss"]

_PNP = {
    "O": lambda xp, rank, alpha, b: rank,
    "Iu": lambda xp, rank, alpha, b: (1 + rank) * xp.log(1 + rank),
    "Ib": lambda xp, rank, alpha, b: (b * rank - xp.log(1 + b * rank)) / b**2,
    "Ds": lambda xp, rank, alpha, b: xp.log(1 + rank),
    "Dq": lambda xp, rank, alpha, b: 1 - xp.exp(-alpha * xp.log(1 + rank)),
}


def pnp_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    variant: str = "Dq",
    alpha: float = 4.0,
    b: float = 2.0,
    temperature: float = 0.01,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""PNP: penalises the negatives before each positive, and nothing else.

    .. math:: \frac{1}{|A|} \sum_{a \in A} \frac{1}{|P(a)|} \sum_{i \in P(a)} f(R_i), \quad
              R_i = \sum_{j \in N(a)} \sigma\Big(\frac{s_{aj} - s_{ai}}{\tau}\Big)

    Args:
        embeddings: `(a, d)` floats, compared by their cosines `s`.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        variant: `f(R)`: `"O"` is `R`; slopes that grow with `R`: `"Iu"` `(1 + R) log(1 + R)` and `"Ib"`
            `(b R - log(1 + b R)) / b^2`; slopes that fall, which give up hopeless positives: `"Ds"` `log(1 +
            R)` and `"Dq"` `1 - 1 / (1 + R)^alpha`, the authors' best.
        alpha: exponent of `"Dq"`; the authors' code suggests 4.
        b: bound of `"Ib"`.
        temperature: `tau`.
        references: `(r, d)` to rank for each anchor; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over anchors that have a positive and a negative, `"active_mean"`, `"sum"`, or
            `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no anchor has both.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> labels = np.array([0, 0, 1])  # R is 1 for the first and 1/2, a tie, for the second
        >>> float(pnp_loss(embeddings, labels, variant="O"))
        0.75

    References:
        Li, Min, Song, Li, Xue, Zhang, "Rethinking the Optimization of Average Precision: Only Penalizing
        Negative Instances before Positive Ones is Enough", AAAI 2022, https://arxiv.org/abs/2102.04640. The
        authors' code counts the anchor among its positives; give the embeddings as `references` too for that.
    """
    if variant not in _PNP:
        raise ValueError(f"variant {variant!r} is not known; expected one of {', '.join(_PNP)}.")

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        rank = soft_counts(xp, distances, pairs.positive, pairs.negative, temperature)
        total = xp.sum(_PNP[variant](xp, rank, alpha, b), axis=1, where=pairs.positive)
        return weighted(xp, safe_divide(xp, total, xp.count(pairs.positive, distances)), has_both(pairs))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance="cosine"
    )
