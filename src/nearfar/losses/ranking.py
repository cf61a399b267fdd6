"""Losses that smooth a measure of retrieval: FastAP, Smooth-AP and the recall@k surrogate."""

from collections.abc import Sequence

from ..backends import Backend, Tensor, backend_of
from ..pair_mining import has_both
from ..pairs import Pairs
from ..reduction import Terms, safe_divide, weighted
from ._batch import over_batch
from ._histograms import histograms, nodes
from ._ranks import soft_counts

__all__ = ["fast_ap_loss", "recall_at_k_surrogate_loss", "smooth_ap_loss"]


def fast_ap_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    num_bins: int = 10,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""FastAP: one minus each anchor's average precision, from soft histograms of its distances.

    .. math:: \frac{1}{|A|} \sum_{a \in A} 1 - \frac{1}{|P(a)|} \sum_{l=0}^{L} \frac{H^+_l h^+_l}{H_l}

    with `h+` the histogram of the anchor's positives on the nodes 0 ... 4 of the squared distance of unit
    rows, and `H+`, `H` the cumulative ones of the positives and of all.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        num_bins: `L`; the paper finds 10 enough.
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
        >>> labels = np.array([0, 0, 1])  # precision 1/2 for the first, 1/2 of a tie for the second
        >>> float(fast_ap_loss(embeddings, labels))
        0.5

    References:
        Cakir, He, Xia, Kulis, Sclaroff, "Deep Metric Learning to Rank", CVPR 2019,
        https://doi.org/10.1109/CVPR.2019.00196.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        index, upper = nodes(xp, 2 * distances - 2, 2.0, num_bins)  # |x - y|^2 is 2 (1 - cosine)
        positive = histograms(xp, index, upper, pairs.positive, num_bins)
        whole = positive + histograms(xp, index, upper, pairs.negative, num_bins)
        precision = safe_divide(xp, xp.cumulative_sum(positive) * positive, xp.cumulative_sum(whole))
        ap = safe_divide(xp, xp.sum(precision, axis=1), xp.count(pairs.positive, distances))
        return weighted(xp, 1 - ap, has_both(pairs))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance="cosine"
    )


def smooth_ap_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    temperature: float = 0.01,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Smooth-AP: one minus each anchor's average precision, with ranks counted by sigmoids.

    .. math:: \frac{1}{|A|} \sum_{a \in A} 1 - \frac{1}{|P(a)|} \sum_{i \in P(a)}
              \frac{1 + \sum_{j \in P(a), j \ne i} \sigma_{ij}}
                   {1 + \sum_{j \in P(a), j \ne i} \sigma_{ij} + \sum_{j \in N(a)} \sigma_{ij}}, \quad
              \sigma_{ij} = \sigma\Big(\frac{s_{aj} - s_{ai}}{\tau}\Big)

    Args:
        embeddings: `(a, d)` floats, compared by their cosines `s`.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`. Classes may differ
            in size.
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
        >>> labels = np.array([0, 0, 1])  # precision 1/2 for the first, 1/1.5 of a tie for the second
        >>> round(float(smooth_ap_loss(embeddings, labels)), 6)
        0.416667

    References:
        Brown, Xie, Kalogeiton, Zisserman, "Smooth-AP: Smoothing the Path Towards Large-Scale Image
        Retrieval", 2020, https://arxiv.org/abs/2007.12163. The authors' code ranks the anchor itself among
        its positives; give the embeddings as `references` too for that.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        among_positives = 0.5 + soft_counts(xp, distances, pairs.positive, pairs.positive, temperature)
        rank = among_positives + soft_counts(xp, distances, pairs.positive, pairs.negative, temperature)
        total = xp.sum(among_positives / rank, axis=1, where=pairs.positive)
        return weighted(xp, 1 - safe_divide(xp, total, xp.count(pairs.positive, distances)), has_both(pairs))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance="cosine"
    )


def recall_at_k_surrogate_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    ks: Sequence[int] = (1, 2, 4, 8, 16),
    rank_temperature: float = 1.0,
    temperature: float = 0.01,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Recall@k surrogate: one minus the soft share of each anchor's positives among its k nearest, over several k.

    .. math:: \frac{1}{|A|} \sum_{a \in A} 1 - \frac{1}{|K|} \sum_{k \in K}
              \frac{\min\big(k, \sum_{i \in P(a)} \sigma((k - r_i) / \tau_1)\big)}{\min(k, |P(a)|)}, \quad
              r_i = 1 + \sum_{j \ne i} \sigma\Big(\frac{s_{aj} - s_{ai}}{\tau_2}\Big)

    Args:
        embeddings: `(a, d)` floats, compared by their cosines `s`.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        ks: the `k`.
        rank_temperature: `tau_1`, in ranks.
        temperature: `tau_2`, in cosines.
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
        >>> embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> float(recall_at_k_surrogate_loss(embeddings, np.array([0, 0, 1]), ks=(1,)))  # rank 1: 1 - sigmoid(0)
        0.5

    References:
        Patel, Tolias, Matas, "Recall@k Surrogate Loss with Large Batches and Similarity Mixup", CVPR 2022,
        https://arxiv.org/abs/2108.11179. The bounds by `k` are of the authors' code, which counts the anchor
        itself among the ranked.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        both = pairs.positive | pairs.negative
        rank = 0.5 + soft_counts(xp, distances, pairs.positive, both, temperature)
        count = xp.count(pairs.positive, distances)
        recalls = [_recall(xp, rank, pairs.positive, count, k, rank_temperature) for k in ks]
        return weighted(xp, 1 - sum(recalls) / len(ks), has_both(pairs))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance="cosine"
    )


def _recall(xp: Backend, rank: Tensor, where: Tensor, count: Tensor, k: int, temperature: float) -> Tensor:
    found = xp.sum(xp.sigmoid((k - rank) / temperature), axis=1, where=where)
    most = xp.full_like(count, float(k))
    return safe_divide(xp, xp.minimum(found, most), xp.minimum(count, most))
