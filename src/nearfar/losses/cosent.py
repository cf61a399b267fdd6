"""CoSENT: pairs ranked against each other by their cosines."""

import math
from collections.abc import Callable
from typing import Any

from ..backends import Backend, Tensor, backend_of
from ..distances import paired
from ..distributed import alike, everybody, whole_batch
from ..pairs import Pairs
from ..reduction import Terms
from ..rows import row_loss
from ._explicit import check_tuples, in_float

__all__ = ["cosent_loss", "pair_cosent_loss"]


def cosent_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    scale: float = 20.0,
    distance: str | Callable = "cosine",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    block: int | str | None = "auto",
) -> Tensor:
    r"""CoSENT loss of a batch with classes: every positive pair nearer than every negative pair.

    .. math:: \log\Big(1 + \sum_{p \in P} \sum_{n \in N} e^{\lambda (d_p - d_n)}\Big)

    Pairs of different anchors are compared too, so the loss is one number for the batch. Its sum over pairs
    of pairs is a product of two sums over pairs, which two passes find, so that it runs in blocks. For pairs
    with graded scores see `pair_cosent_loss`.

    Args:
        embeddings: `(a, d)` floats; normalised by the default distance.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        scale: `lambda`.
        distance: see `nearfar.distances.pairwise`.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how often each anchor's pairs count in the two sums.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar; 0 where the batch lacks positive or negative pairs.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
        >>> float(cosent_loss(embeddings, np.array([0, 0, 1]), scale=1.0))  # log(1 + 2 x 4 x e^-2)
        0.733656...

    References:
        Su, "CoSENT: a more effective sentence vector scheme than Sentence-BERT", 2022,
        https://kexue.fm/archives/8847.
    """
    rest: dict[str, Any] = {"references": references, "reference_labels": reference_labels, "block": block}

    def whole(kind: str, sign: float) -> Tensor:
        def of_row(distances: Tensor, pairs: Pairs) -> Terms:
            xp = backend_of(distances)
            total = xp.logsumexp(sign * scale * distances, axis=1, where=getattr(pairs, kind))
            one = xp.full_like(total, 1.0)
            return Terms(total, one, one)

        rows = row_loss(of_row, embeddings, labels, distance=distance, reduction="none", **rest)
        xp = backend_of(rows)
        if weights is not None:
            counts = xp.astype(weights, rows)
            rows = xp.where(counts > 0, rows + xp.log(xp.where(counts > 0, counts, 1.0)), -math.inf)
        (rows,), _ = everybody(xp, rows)
        # masks would hide a NaN: 0 times a finite number is 0, times NaN it is NaN
        told = xp.sum(0 * xp.where(rows == -math.inf, 0.0, rows))
        return xp.logsumexp(rows, where=rows > -math.inf) + told

    xp = backend_of(embeddings)
    return alike(xp, xp.softplus(whole("positive", 1.0) + whole("negative", -1.0)))


@whole_batch("lefts", "rights", "scores")
def pair_cosent_loss(
    lefts: Tensor,
    rights: Tensor,
    scores: Tensor,
    *,
    scale: float = 20.0,
    distance: str | Callable = "cosine",
) -> Tensor:
    r"""CoSENT loss of explicit pairs with scores: pairs of higher score nearer than pairs of lower score.

    .. math:: \log\Big(1 + \sum_{y_i > y_j} e^{\lambda (d_i - d_j)}\Big)

    Args:
        lefts: `(n, d)` floats.
        rights: `(n, d)` floats.
        scores: `(n,)` or `(n, 1)` integers or floats, in any unit: the higher, the more alike; only their
            order counts.
        scale: `lambda`.
        distance: a name of `nearfar.distances` or a function of `(n, d), (n, d)` to `(n,)`.

    Returns:
        Scalar, not divided by the number of pairs; 0 where all scores are equal.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.

    Example:
        >>> import numpy as np
        >>> lefts, rights = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> float(pair_cosent_loss(lefts, rights, np.array([0.9, 0.3]), scale=1.0))  # log(1 + e^-1)
        0.313261...

    References:
        Su, "CoSENT: a more effective sentence vector scheme than Sentence-BERT", 2022,
        https://kexue.fm/archives/8847.
    """
    xp = backend_of(lefts, rights, scores)
    check_tuples(xp, lefts=lefts, rights=rights)
    scores = _check_scores(xp, scores, lefts)
    x, y = in_float(xp, lefts, rights)
    d = scale * paired(x, y, distance)
    total = xp.logsumexp(d[:, None] - d[None, :], where=scores[:, None] > scores[None, :])
    return xp.softplus(total) + 0 * xp.sum(d)


def _check_scores(xp: Backend, scores: Tensor, lefts: Tensor) -> Tensor:
    if len(scores.shape) == 2 and scores.shape[1] == 1:
        scores = xp.reshape(scores, (-1,))
    if len(scores.shape) != 1 or scores.shape[0] != lefts.shape[0]:
        raise ValueError(
            f"scores has shape {tuple(scores.shape)} but lefts has {lefts.shape[0]} rows; "
            "expected one score per pair."
        )
    return xp.asfloat(scores)
