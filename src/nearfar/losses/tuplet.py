"""One positive against all negatives of its anchor at once: N-pairs, tuplet margin, angular."""

import math
from collections.abc import Callable

from ..backends import Tensor, backend_of
from ..distances import pairwise
from ..distributed import everybody
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ._batch import over_batch

__all__ = ["angular_loss", "n_pairs_loss", "tuplet_margin_loss"]


def n_pairs_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    distance: str | Callable = "dot",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""N-pairs loss: the similarity to a positive above those to all negatives at once.

    .. math:: \frac{1}{|P|} \sum_{(a,p) \in P} \log\Big(1 + \sum_{n} e^{d(a, p) - d(a, n)}\Big)

    The paper's batch of N pairs is N anchors, one a class, with their N positives as `references`. Without
    references every positive pair of the batch counts, against all its anchor's negatives.

    Args:
        embeddings: `(a, d)` floats; the paper does not normalise them but adds a penalty on their length.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        distance: see `nearfar.distances.pairwise`; `"dot"`, minus the inner product, is the paper's.
        references: `(r, d)`, positives and negatives; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over positive pairs whose anchor has a negative, `"active_mean"`, `"sum"`, or
            `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no such pair exists.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> anchors, positives, labels = np.eye(2), 2 * np.eye(2), np.array([0, 1])
        >>> float(n_pairs_loss(anchors, labels, references=positives, reference_labels=labels))
        0.126928...

    That is log(1 + e^-2).

    References:
        Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", 2016,
        https://papers.nips.cc/paper/2016/hash/6b180037abbebea991d8b1232f8a8ca9-Abstract.html (N-pair-mc).
        pytorch-metric-learning takes the first two samples of each class; TensorFlow Addons' loss of this
        name spreads the target over all positives, the anchor included.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        away = xp.logsumexp(-distances, axis=1, where=pairs.negative)[:, None]
        return weighted(xp, xp.softplus(away + distances), pairs.positive & (away > -math.inf))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance=distance
    )


def tuplet_margin_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    margin: float = 0.1,
    scale: float = 64.0,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Tuplet margin loss: N-pairs of cosines, with a slack angle so that the hardest tuplets weigh less.

    .. math:: \frac{1}{|P|} \sum_{(a,p) \in P}
              \log\Big(1 + \sum_n e^{s (\cos\theta_{an} - \cos(\theta_{ap} - \beta))}\Big)

    Args:
        embeddings: `(a, d)` floats, compared by their angles `theta`.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        margin: slack `beta` in radians.
        scale: `s`.
        references: `(r, d)`, positives and negatives; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over positive pairs whose anchor has a negative, `"active_mean"`, `"sum"`, or
            `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no such pair exists. The slope is finite where two rows are
        equal.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> labels = np.array([0, 0, 1])
        >>> value = tuplet_margin_loss(embeddings, labels, margin=np.pi / 2, scale=1.0)
        >>> float(value)  # cos(pi/2 - pi/2) = 1: the mean of log(1 + e^-1) and log(1 + e^-2)
        0.220094...

    References:
        Yu, Tao, "Deep Metric Learning with Tuplet Margin Loss", ICCV 2019,
        https://openaccess.thecvf.com/content_ICCV_2019/html/Yu_Deep_Metric_Learning_With_Tuplet_Margin_Loss_ICCV_2019_paper.html.
        The paper adds `intra_pair_variance_loss`.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        cosine, sine = 1 - distances, xp.sqrt(distances * (2 - distances))
        away = xp.logsumexp(scale * cosine, axis=1, where=pairs.negative)[:, None]
        eased = cosine * math.cos(margin) + sine * math.sin(margin)  # cos(theta - margin), without an arccos
        return weighted(xp, xp.softplus(away - scale * eased), pairs.positive & (away > -math.inf))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance="cosine"
    )


def angular_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    alpha: float = 45.0,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Angular loss: a small angle at each negative, from which a positive pair is seen.

    .. math:: \frac{1}{|P|} \sum_{(a,p) \in P} \log\Big(1 + \sum_n e^{f_{apn}}\Big), \quad
              f_{apn} = 4 \tan^2\!\alpha\, (x_a + x_p)^T x_n - 2 (1 + \tan^2\!\alpha)\, x_a^T x_p

    Anchors, positives and negatives are normalised. A pair needs the positive's row too, so it runs dense;
    the sum over the negatives of each pair is a matrix product, so memory is that of a few `(a, r)` tables.

    Args:
        embeddings: `(a, d)` floats.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        alpha: the largest angle that is left alone, in degrees, 0 < alpha <= 65.
        references: `(r, d)`, positives and negatives; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over positive pairs whose anchor has a negative, `"active_mean"`, `"sum"`, or
            `"none"`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no such pair exists.

    Raises:
        ValueError: shapes that do not fit together, an unknown name, or an angle outside its range.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> float(angular_loss(embeddings, np.array([0, 0, 1])))  # log(1 + e^-4)
        0.018149...

    References:
        Wang, Zhou, Wen, Liu, Lin, "Deep Metric Learning with Angular Loss", 2017,
        https://arxiv.org/abs/1708.01682. pytorch-metric-learning does not normalise the negatives.
    """
    if not 0 < alpha <= 65:
        raise ValueError(f"alpha is {alpha} degrees; expected 0 < alpha <= 65.")
    tangent = math.tan(math.radians(alpha)) ** 2

    def terms(distances: Tensor, pairs: Pairs, others: Tensor) -> Terms:
        xp = backend_of(distances)
        # e^(4 t (s_an + s_pn)) is a product of the two ends; cosines are at most 1, so nothing overflows
        to_negatives = xp.where(pairs.negative, xp.exp(-4 * tangent * distances), 0.0)
        between = xp.exp(-4 * tangent * pairwise(others, others, "cosine"))
        total = to_negatives @ xp.matrix_transpose(between)
        some = pairs.positive & (total > 0)
        away = 8 * tangent + xp.log(xp.where(some, total, 1.0))
        return weighted(xp, xp.softplus(away - 2 * (1 + tangent) * (1 - distances)), some)

    others = references
    if others is None:
        xp = backend_of(embeddings)
        (others,), _ = everybody(xp, embeddings)
        if isinstance(xp.shape(others)[0], int) and not xp.shape(others)[0]:
            others = xp.sum(others, axis=0)[None, :]  # the row that stands in for an empty batch
    rest = {"distance": "cosine", "parameters": (others,)}
    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, None, **rest
    )
