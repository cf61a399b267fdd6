"""Losses with one boundary between near and far for all pairs: margin loss, threshold-consistent margins."""

from collections.abc import Callable

from .. import pair_mining
from ..backends import Backend, Tensor, backend_of
from ..mining import distance_weights
from ..pairs import Pairs, check_labels
from ..reduction import Terms, weighted
from ._batch import over_batch

__all__ = ["margin_loss", "threshold_consistent_margin_loss"]


def margin_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    beta: float | Tensor = 1.2,
    margin: float = 0.2,
    nu: float = 0.0,
    mining: str | Callable | None = None,
    distance: str | Callable = "euclidean",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Margin loss: positives inside a boundary that is learned, negatives outside it, by a margin.

    .. math:: \frac{1}{|P|} \sum_{(a,p)} \max(0, d(a, p) - \beta + m)
              + \frac{1}{|N|} \sum_{(a,n)} \max(0, \beta + m - d(a, n)) + \nu \bar\beta

    Args:
        embeddings: `(a, d)` floats, of length 1 in the paper.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`. Class numbers
            0 ... c - 1 where `beta` has one value per class.
        beta: boundary, in units of `distance`; a scalar tensor or `(c,)`, one per class, to learn it.
        margin: `m`, the paper's alpha.
        nu: weight of the anchors' mean boundary, so that it does not grow without need.
        mining: None for all pairs; `"distance_weighted"`, the paper's: with each positive pair the expected
            term over a negative drawn with the weights of `nearfar.mining.distance_weights`; a name of
            `nearfar.pair_mining`, or a function of distances and `Pairs` to `Pairs`.
        distance: see `nearfar.distances.pairwise`.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"`: over positive pairs plus over negative pairs; `"active_mean"`: each over its
            pairs whose term is positive; `"sum"`; `"none"`: each anchor's means added.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; a part without pairs is 0.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0, 0.0], [0.0, 1.5], [1.0, 0.0]])
        >>> labels = np.array([0, 0, 1])
        >>> float(margin_loss(embeddings, labels))  # positives 0.5; negatives 0.4 and 0 twice each
        0.7

    References:
        Wu, Manmatha, Smola, Krähenbühl, "Sampling Matters in Deep Embedding Learning", 2017,
        https://arxiv.org/abs/1706.07567. The paper sums over positive pairs and as many sampled
        negatives. pytorch-metric-learning sums over triplets, which is the same where classes are equally
        large.
    """
    xp = backend_of(embeddings)
    sampled = mining == "distance_weighted"
    choose, block = pair_mining.resolve(None if sampled else mining, block)
    dimension = embeddings.shape[-1]

    def terms(distances: Tensor, pairs: Pairs, beta: float | Tensor = beta) -> tuple[Terms, ...]:
        edge = beta[:, None] if len(getattr(beta, "shape", ())) else beta  # type: ignore[index]
        kept = choose(distances, pairs)
        near, far = xp.relu(distances - edge + margin), xp.relu(edge + margin - distances)
        pull, push = weighted(xp, near, kept.positive), weighted(xp, far, kept.negative)
        if sampled:
            push = _expected(
                xp, far, distance_weights(xp.stop_gradient(distances), kept, dimension), pull.valid
            )
        own = weighted(xp, nu * (beta + xp.zeros_like(pull.total)), pair_mining.has_both(pairs))
        return (pull, push, own) if nu else (pull, push)

    parameters, per_anchor = _boundary(xp, beta, labels)
    rest = {"distance": distance, "parameters": parameters, "per_anchor": per_anchor}
    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, **rest
    )


def _expected(xp: Backend, values: Tensor, weights: Tensor, times: Tensor) -> Terms:
    """For each anchor, `times` its mean of the values under the weights."""
    mean, some = xp.sum(weights * values, axis=1), xp.sum(weights, axis=1) > 0
    return Terms(times * mean, xp.where(some, times, 0.0), xp.where(mean > 0, times, 0.0))


def _boundary(xp: Backend, beta: float | Tensor, labels: Tensor | Pairs) -> tuple[tuple, tuple]:
    """Learned boundaries as a parameter of all rows, or as one value per anchor."""
    shape = getattr(beta, "shape", None)
    if shape is None:
        return (), ()
    if len(shape) == 0:
        return (xp.asfloat(beta),), ()
    if len(shape) != 1 or isinstance(labels, Pairs):
        given = "Pairs" if isinstance(labels, Pairs) else "labels"
        raise ValueError(
            f"beta has shape {tuple(shape)} and came with {given}; expected a scalar, or with labels "
            "one value per class, (c,)."
        )
    labels = check_labels(xp, labels, "labels")
    values = 1.0 * xp.asfloat(beta)  # a product, since TensorFlow's slope of a bare gather is no tensor
    return (), (xp.take(values, xp.astype(labels, xp.arange(1, labels))),)


def threshold_consistent_margin_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    positive_margin: float = 0.9,
    negative_margin: float = 0.5,
    positive_weight: float = 1.0,
    negative_weight: float = 1.0,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Threshold-consistent margins: the same cosines for the hard pairs of every class.

    One threshold then serves all classes.

    .. math:: \lambda_+ \frac{\sum_{(a,p)} (m_+ - s_{ap}) [s_{ap} \le m_+]}{\sum_{(a,p)} [s_{ap} \le m_+]}
              + \lambda_- \frac{\sum_{(a,n)} (s_{an} - m_-) [s_{an} \ge m_-]}{\sum_{(a,n)} [s_{an} \ge m_-]}

    A regulariser: add it to a loss that separates the classes.

    Args:
        embeddings: `(a, d)` floats, compared by their cosines `s`.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        positive_margin: cosine `m_+` above which a positive pair is left alone.
        negative_margin: cosine `m_-` below which a negative pair is left alone.
        positive_weight: the weight of the positive part.
        negative_weight: the weight of the negative part.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"`: over the hard positive pairs plus over the hard negative pairs; `"active_mean"`
            likewise without those exactly at the margin; `"sum"`; `"none"`: each anchor's two means added.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; a part without hard pairs is 0.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])  # cosines 0.6, 0, 0.8
        >>> round(float(threshold_consistent_margin_loss(embeddings, np.array([0, 0, 1]))), 6)  # 0.3 + 0.3
        0.6

    References:
        Zhang et al., "Threshold-Consistent Margin Loss for Open-World Deep Metric Learning", 2024,
        https://arxiv.org/abs/2307.04047. pytorch-metric-learning's loss ignores references.
    """

    def terms(distances: Tensor, pairs: Pairs) -> tuple[Terms, Terms]:
        xp = backend_of(distances)
        similarity = 1 - distances
        hard = (
            pairs.positive & (similarity <= positive_margin),
            pairs.negative & (similarity >= negative_margin),
        )
        near = weighted(xp, positive_weight * (positive_margin - similarity), hard[0])
        return near, weighted(xp, negative_weight * (similarity - negative_margin), hard[1])

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance="cosine"
    )
