"""Losses of the batch's distributions of similarities: intra-pair variance and histogram."""

from typing import Any

from ..backends import Tensor, backend_of
from ..distributed import whole_batch
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ..rows import row_loss
from ._batch import over_batch
from ._histograms import density, look_up, nodes

__all__ = ["histogram_loss", "intra_pair_variance_loss"]


def intra_pair_variance_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    positive_epsilon: float = 0.01,
    negative_epsilon: float = 0.01,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Intra-pair variance: cosines of pairs of one kind held together, on their wrong side of the mean.

    .. math:: \frac{1}{|P|} \sum_{(a,p)} \max(0, (1 - \epsilon_+) \bar s_+ - s_{ap})^2
              + \frac{1}{|N|} \sum_{(a,n)} \max(0, s_{an} - (1 + \epsilon_-) \bar s_-)^2

    A regulariser, which the paper adds to `tuplet_margin_loss`. The means are of the whole batch: two passes
    find them, so that it runs in blocks.

    Args:
        embeddings: `(a, d)` floats, compared by their cosines `s`.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        positive_epsilon: how far below the mean a positive may be, relative to it.
        negative_epsilon: how far above the mean a negative may be, relative to it.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"`: over positive pairs plus over negative pairs; `"active_mean"`: each over its
            pairs whose term is positive; `"sum"`; `"none"`: each anchor's two means added.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; a part without pairs is 0.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # cosines 1, 0, 0, twice each
        >>> labels = np.array([0, 0, 0])
        >>> value = intra_pair_variance_loss(embeddings, labels, positive_epsilon=0.0)
        >>> round(float(value), 6)  # four of six are 1/3 below the mean
        0.074074

    References:
        Yu, Tao, "Deep Metric Learning with Tuplet Margin Loss", ICCV 2019,
        https://openaccess.thecvf.com/content_ICCV_2019/html/Yu_Deep_Metric_Learning_With_Tuplet_Margin_Loss_ICCV_2019_paper.html.
    """
    rest: dict[str, Any] = {
        "distance": "cosine",
        "references": references,
        "reference_labels": reference_labels,
        "weights": weights,
    }

    def mean(kind: str) -> Tensor:
        def similarity(distances: Tensor, pairs: Pairs) -> Terms:
            xp, where = backend_of(distances), getattr(pairs, kind)
            count = xp.count(where, distances)
            return Terms(xp.sum(1 - distances, axis=1, where=where), count, count)

        return row_loss(similarity, embeddings, labels, block=block, **rest)

    def terms(
        distances: Tensor, pairs: Pairs, of_positives: Tensor, of_negatives: Tensor
    ) -> tuple[Terms, Terms]:
        xp = backend_of(distances)
        below = xp.relu((1 - positive_epsilon) * of_positives - (1 - distances))
        above = xp.relu(1 - distances - (1 + negative_epsilon) * of_negatives)
        return weighted(xp, below * below, pairs.positive), weighted(xp, above * above, pairs.negative)

    means, rest["mean_over"] = (mean("positive"), mean("negative")), ("positive", "negative")
    return row_loss(terms, embeddings, labels, reduction=reduction, block=block, parameters=means, **rest)


@whole_batch("embeddings", "labels", "weights")
def histogram_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    num_bins: int = 100,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Histogram loss: the probability that a random negative pair is more similar than a random positive
    pair.

    .. math:: \sum_{r=0}^{R} h^-_r \sum_{q=0}^{r} h^+_q

    with the histograms `h` of the cosines of positive and negative pairs on the nodes -1 ... 1, each cosine
    shared linearly by its two neighbours. It needs all pairs at once, so it runs dense.

    Args:
        embeddings: `(a, d)` floats, compared by their cosines.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        num_bins: `R`, bins of width `2 / R`; the histograms have `R + 1` nodes.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's pairs count in both histograms.
        reduction: `"mean"` over negative pairs is the formula, since it is the mean of the positives'
            cumulative histogram at the negatives; `"active_mean"`, `"sum"`, or `"none"`, each anchor's share.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where the batch lacks positive or negative pairs.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> labels = np.array([0, 0, 0, 1])  # positives at 1, 0, 0, negatives at -1, -1, 0
        >>> round(float(histogram_loss(embeddings, labels, num_bins=4)), 6)  # 1/3 x 2/3
        0.222222

    References:
        Ustinova, Lempitsky, "Learning Deep Embeddings with Histogram Loss", 2016,
        https://arxiv.org/abs/1611.00822.
    """

    def terms(distances: Tensor, pairs: Pairs, *own: Tensor) -> Terms:
        xp = backend_of(distances)
        index, upper = nodes(xp, 1 - distances, 1.0, num_bins)
        share = density(xp, index, upper, pairs.positive, num_bins, *own)
        reached = xp.cumulative_sum(share[None, :])
        below, above = (look_up(xp, reached, i) for i in (index, index + 1))
        some = xp.sum(share) > 0
        return weighted(xp, below + upper * (above - below), pairs.negative & some)

    rest = {"distance": "cosine", "per_anchor": () if weights is None else (weights,)}
    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, None, **rest
    )
