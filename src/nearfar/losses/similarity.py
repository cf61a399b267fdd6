"""Losses that weigh each pair by its own similarity and by its neighbours': multi-similarity and circle."""

from collections.abc import Callable

from .. import pair_mining
from ..backends import Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ._batch import over_batch

__all__ = ["circle_loss", "multi_similarity_loss"]


def multi_similarity_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    mining: str | Callable | None = "multi_similarity",
    distance: str | Callable = "cosine",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Multi-similarity loss: each anchor's hard positives and negatives, weighed against each other.

    .. math:: \frac{1}{|A|} \sum_{a \in A}
              \frac{1}{\alpha} \log\Big(1 + \sum_{p} e^{\alpha (d(a, p) - b)}\Big)
              + \frac{1}{\beta} \log\Big(1 + \sum_{n} e^{\beta (b - d(a, n))}\Big)

    Args:
        embeddings: `(a, d)` floats; normalised by the default distance.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        alpha: how sharply far positives outweigh near ones, per unit of `distance`.
        beta: how sharply near negatives outweigh far ones.
        base: the distance `b` beyond which a positive, and within which a negative, weighs much; with cosines
            the paper's similarity threshold is `1 - base`.
        mining: `"multi_similarity"`, the paper's first step, another of `nearfar.pair_mining`, a function of
            distances and `Pairs` to `Pairs`, or None for all pairs.
        distance: see `nearfar.distances.pairwise`.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over anchors that have a positive and a negative (before mining), `"active_mean"`,
            `"sum"`, or `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no anchor has both.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
        >>> labels = np.array([0, 0, 1, 1])
        >>> float(multi_similarity_loss(embeddings, labels))  # log(1 + e) / 2 + log(1 + e^25) / 50
        1.15663...

    References:
        Wang, Han, Huang, Dong, Scott, "Multi-Similarity Loss with General Pair Weighting for Deep Metric
        Learning", 2019, https://arxiv.org/abs/1904.06627. The threshold follows the authors' code (0.5); the
        paper says a similarity of 1. pytorch-metric-learning's loss is this one with `mining=None`.
    """
    choose, block = pair_mining.resolve(mining, block)

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        kept = choose(distances, pairs)
        pull = xp.softplus(xp.logsumexp(alpha * (distances - base), axis=1, where=kept.positive)) / alpha
        push = xp.softplus(xp.logsumexp(beta * (base - distances), axis=1, where=kept.negative)) / beta
        return weighted(xp, pull + push, pair_mining.has_both(pairs))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance=distance
    )


def circle_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    margin: float = 0.4,
    gamma: float = 80.0,
    mining: str | Callable | None = None,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Circle loss: every similarity moves at a pace of its own, faster the farther it is from its optimum.

    .. math:: \frac{1}{|A|} \sum_{a \in A} \log\Big(1 + \sum_n e^{\gamma [s_{an} + m]_+ (s_{an} - m)}
              \sum_p e^{-\gamma [1 + m - s_{ap}]_+ (s_{ap} - 1 + m)}\Big)

    The paces `[...]_+` are weights: no gradient goes through them, as in the paper's derivative.

    Args:
        embeddings: `(a, d)` floats, compared by their cosines.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        margin: relaxation `m`: positives aim at cosine `1 - m`, negatives at `m`. The paper takes 0.4 for
            fine-grained retrieval, 0.25 for faces and persons.
        gamma: scale; the paper takes 80, 256 and 128 for these.
        mining: None for all pairs, a name of `nearfar.pair_mining`, or a function of distances (1 - cosine)
            and `Pairs` to `Pairs`.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
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
        >>> embeddings = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
        >>> labels = np.array([0, 0, 1])
        >>> float(circle_loss(embeddings, labels, margin=0.25, gamma=1.0))  # log(1 + e^(0.65 x 0.15))
        0.74308...

    References:
        Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", 2020,
        https://arxiv.org/abs/2002.10857. TensorFlow Similarity adds two logarithms instead of this one.
    """
    choose, block = pair_mining.resolve(mining, block)

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        kept = choose(distances, pairs)
        similarity, fixed = 1 - distances, 1 - xp.stop_gradient(distances)
        pull = -gamma * xp.relu(1 + margin - fixed) * (similarity - (1 - margin))
        push = gamma * xp.relu(fixed + margin) * (similarity - margin)
        pulls = xp.logsumexp(pull, axis=1, where=kept.positive)
        pushes = xp.logsumexp(push, axis=1, where=kept.negative)
        return weighted(xp, xp.softplus(pulls + pushes), pair_mining.has_both(kept))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance="cosine"
    )
