"""Losses of single pairs that choose or measure them in their own way: online contrastive, ranked list,
SNR."""

import math
from collections.abc import Callable
from typing import Any

from .. import pair_mining
from ..backends import Backend, Tensor, backend_of
from ..distances import pairwise
from ..distributed import everybody
from ..pairs import Pairs
from ..reduction import Terms, safe_divide, weighted
from ..rows import row_loss
from ._batch import over_batch
from .contrastive import contrastive_loss

__all__ = [
    "online_contrastive_loss",
    "ranked_list_loss",
    "signal_to_noise",
    "signal_to_noise_contrastive_loss",
]


def online_contrastive_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    margin: float = 0.5,
    distance: str | Callable = "cosine",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Contrastive loss of the hard pairs alone: those on the wrong side of the batch's best pair of the
    other kind.

    .. math:: \frac{1}{|P^*|} \sum_{P^*} d^2 + \frac{1}{|N^*|} \sum_{N^*} \max(0, m - d)^2, \quad
              P^* = \{p : d_p > \min_N d\}, \ N^* = \{n : d_n < \max_P d\}

    The two thresholds are of the whole batch: two passes without gradient find them, so that it runs in
    blocks.

    Args:
        embeddings: `(a, d)` floats; normalised by the default distance.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`: explicit pairs are
            `lefts` as embeddings, `rights` as references and `Pairs` with `same` and its opposite on the
            diagonal.
        margin: `m`: negatives farther than this are left alone, in units of `distance`.
        distance: see `nearfar.distances.pairwise`.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"`: over hard positives plus over hard negatives; `"active_mean"` likewise over those
            whose term is positive; `"sum"`, the peer's; `"none"`: each anchor's two means added.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no pair is hard.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0], [1.0], [3.0], [3.25]])
        >>> labels = np.array([0, 0, 0, 1])  # hard: positives at 1, 2 and 3, the negatives at 0.25 and 2.25
        >>> float(online_contrastive_loss(embeddings, labels, distance="euclidean"))  # 14 / 3 + 0.25^2 / 2
        4.69791...

    References:
        Reimers, Gurevych, "Sentence-BERT", 2019, https://arxiv.org/abs/1908.10084; the loss is that of its
        library, sentence-transformers, where a batch with a single pair of a kind has another threshold.
    """
    rest: dict[str, Any] = {
        "distance": distance,
        "references": references,
        "reference_labels": reference_labels,
    }

    def over_batch(of_row: Callable[[Backend, Tensor, Pairs], Tensor]) -> Tensor:
        def terms(distances: Tensor, pairs: Pairs) -> Terms:
            value = of_row(backend_of(distances), distances, pairs)
            one = backend_of(distances).full_like(value, 1.0)
            return Terms(value, one, one)

        rows = row_loss(terms, embeddings, labels, reduction="none", block=block, **rest)
        xp = backend_of(rows)
        (rows,), _ = everybody(xp, xp.stop_gradient(rows))
        none = xp.full_like(xp.reshape(xp.sum(rows), (1,)), -math.inf)  # there may be no rows at all
        return xp.max(xp.concat([rows, none]))

    farthest = over_batch(lambda xp, d, pairs: xp.max(d, axis=1, where=pairs.positive))
    nearest = -over_batch(lambda xp, d, pairs: -xp.min(d, axis=1, where=pairs.negative))

    def hard(distances: Tensor, pairs: Pairs, nearest: Tensor, farthest: Tensor) -> tuple[Terms, Terms]:
        xp = backend_of(distances)
        near, far = distances * distances, xp.relu(margin - distances)
        positive, negative = pairs.positive & (distances > nearest), pairs.negative & (distances < farthest)
        return weighted(xp, near, positive), weighted(xp, far * far, negative)

    thresholds = (nearest, farthest)
    rest |= {"weights": weights, "reduction": reduction, "block": block}
    return row_loss(hard, embeddings, labels, parameters=thresholds, **rest)


def ranked_list_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    alpha: float = 1.2,
    margin: float = 0.4,
    positive_temperature: float = 0.0,
    negative_temperature: float = 10.0,
    negative_weight: float = 0.5,
    distance: str | Callable = "euclidean",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Ranked list loss: positives inside a hypersphere, negatives outside a larger one, hard ones weighing
    more.

    .. math:: \frac{1}{|A|} \sum_{a \in A}
              (1 - \lambda) \sum_{p : d_{ap} > \alpha - m} w_{ap} (d_{ap} - \alpha + m)
              + \lambda \sum_{n : d_{an} < \alpha} w_{an} (\alpha - d_{an})

    The weights are `e^(T (d - alpha + m))` and `e^(T (alpha - d))`, over their sums; no gradient goes through
    them.

    Args:
        embeddings: `(a, d)` floats, of length 1 in the paper.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        alpha: negatives nearer than this count, in units of `distance`.
        margin: `m`: positives farther than `alpha - m` count.
        positive_temperature: `T` of the positives; 0 weighs them equally, as the paper's simpler variant
            does.
        negative_temperature: `T` of the negatives.
        negative_weight: `lambda`, the share of the negatives.
        distance: see `nearfar.distances.pairwise`.
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
        >>> embeddings = np.array([[0.0], [1.0], [-1.0]])
        >>> labels = np.array([0, 0, 1])
        >>> round(float(ranked_list_loss(embeddings, labels)), 6)  # 0.1 + 0.1, and 0.1: its negative is far
        0.15

    References:
        Wang, Hua, Kodirov, Robertson, "Ranked List Loss for Deep Metric Learning", 2019 and 2021,
        https://arxiv.org/abs/1903.03238. pytorch-metric-learning lets the gradient through the weights.
    """

    def mean(xp: Backend, excess: Tensor, where: Tensor, temperature: float) -> Tensor:
        logits = temperature * xp.stop_gradient(excess)
        top = xp.logsumexp(logits, axis=1, where=where)[:, None]
        weights = xp.exp(logits - xp.where(top > -math.inf, top, 0.0))
        return xp.sum(weights * excess, axis=1, where=where)

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        excess, lack = distances - (alpha - margin), alpha - distances
        pull = mean(xp, excess, pairs.positive & (excess > 0), positive_temperature)
        push = mean(xp, lack, pairs.negative & (lack > 0), negative_temperature)
        loss = (1 - negative_weight) * pull + negative_weight * push
        return weighted(xp, loss, pair_mining.has_both(pairs))

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance=distance
    )


def signal_to_noise(x: Tensor, y: Tensor) -> Tensor:
    """Noise-to-signal distance: the variance of `x - y` over that of `x`; a `distance` for any loss.

    Args:
        x: `(a, d)` floats, the signals.
        y: `(r, d)` floats.

    Returns:
        `(a, r)`, not symmetric; the variance of `y` itself where `x` has none.

    Example:
        >>> import numpy as np
        >>> signal_to_noise(np.array([[1.0, -1.0]]), np.array([[1.0, -1.0], [2.0, -2.0], [-1.0, 1.0]]))
        array([[0., 1., 4.]])

    References:
        Yuan, Deng, Tang, Tang, Chen, "Signal-to-Noise Ratio: A Robust Distance Metric for Deep Metric
        Learning", 2019, https://arxiv.org/abs/1904.02616.
    """
    xp = backend_of(x, y)
    x, y = (z - xp.mean(z, axis=1)[:, None] for z in (xp.asfloat(x), xp.asfloat(y)))
    noise, signal = pairwise(x, y, "squared_euclidean"), xp.sum(x * x, axis=1)
    return safe_divide(xp, noise, signal[:, None] + xp.zeros_like(noise))


def signal_to_noise_contrastive_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    positive_margin: float = 0.01,
    negative_margin: float = 0.2,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Contrastive loss on the noise-to-signal distance, the variance of the difference over that of the
    anchor.

    .. math:: \frac{1}{|P|} \sum_{(a,p)} \max(0, d_S(a, p) - m_+)
              + \frac{1}{|N|} \sum_{(a,n)} \max(0, m_- - d_S(a, n)),
              \quad d_S(a, r) = \frac{\mathrm{var}(x_a - x_r)}{\mathrm{var}(x_a)}

    Args:
        embeddings: `(a, d)` floats; the paper adds a penalty on each row's sum.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        positive_margin: positives nearer than this are left alone.
        negative_margin: negatives farther than this are left alone; 2 is what independent rows have.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: see `contrastive_loss`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; a part without pairs is 0.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, -1.0], [2.0, -2.0]])
        >>> float(signal_to_noise_contrastive_loss(embeddings, np.array([0, 0])))  # (1 + 0.25) / 2 - 0.01
        0.615

    References:
        Yuan, Deng, Tang, Tang, Chen, "Signal-to-Noise Ratio: A Robust Distance Metric for Deep Metric
        Learning", 2019, https://arxiv.org/abs/1904.02616.
    """
    return contrastive_loss(
        embeddings,
        labels,
        positive_margin=positive_margin,
        negative_margin=negative_margin,
        squared=False,
        distance=signal_to_noise,
        references=references,
        reference_labels=reference_labels,
        weights=weights,
        reduction=reduction,
        block=block,
    )
