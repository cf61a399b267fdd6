"""Softmax over classes whose margin multiplies the angle."""

import math

from ..backends import Backend, Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms
from ..rows import row_loss
from ._classes import class_inputs, cross_entropy, norms, over_classes

__all__ = ["large_margin_softmax_loss", "sphereface_loss"]


def _times_margin(xp: Backend, cosines: Tensor, margin: int) -> Tensor:
    """psi(theta) = (-1)^k cos(m theta) - 2k for theta in [k pi / m, (k + 1) pi / m], from cos(theta)."""
    before, multiple = (
        xp.full_like(cosines, 1.0),
        cosines,
    )  # Chebyshev: cos(n theta) is a polynomial of cos(theta)
    for _ in range(margin - 1):
        before, multiple = multiple, 2 * cosines * multiple - before
    sign, k = xp.full_like(cosines, 1.0), xp.zeros_like(cosines)
    for step in range(1, margin):
        beyond = xp.astype(cosines < math.cos(step * math.pi / margin), cosines)
        sign, k = sign * (1 - 2 * beyond), k + beyond
    return sign * multiple - 2 * k


def _check_margin(margin: int) -> None:
    if not isinstance(margin, int) or margin < 1:
        raise ValueError(
            f"margin is {margin!r}; expected a whole number of at least 1, as it multiplies the angle."
        )


def large_margin_softmax_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    margin: int = 4,
    scale: float = 1.0,
    easing: float = 0.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Large-margin softmax (L-Softmax): the angle to the own class counts `m` times.

    .. math:: \frac{1}{a} \sum_i -\log \frac{e^{\|w_{y_i}\| \|x_i\| \psi(\theta_{i y_i})}}
              {e^{\|w_{y_i}\| \|x_i\| \psi(\theta_{i y_i})} + \sum_{c \ne y_i} e^{\|w_c\| \|x_i\| \cos
              \theta_{ic}}}, \quad \psi(\theta) = (-1)^k \cos(m \theta) - 2k

    with `k` such that `theta` is in `[k pi / m, (k + 1) pi / m]`. Lengths count: nothing is normalised.

    Good for: classification with wide gaps between classes; hard to train.

    Where the margin cannot be met yet, embeddings of free length shrink to zero, which ends the training at the
    loss of chance. `nearfar train` therefore takes embeddings of length 1, a scale of 30 and an easing of 5.

    Args:
        embeddings: `(a, d)` floats; their lengths count.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; their lengths count. Class `c` is row `c`.
        margin: `m`, a whole number; 1 is no margin.
        scale: multiplies all logits; embeddings that are of length 1 already want 10 or more.
        easing: `lambda` of the papers' training: the own class's cosine is `(lambda cos + psi) / (1 +
            lambda)`. SphereFace's authors lower it to `max(5, 1000 / (1 + 0.12 t))` by step `t`
            (https://github.com/wy1iu/sphereface); 0 is the loss itself.
        classes: `(k,)` class numbers, the only ones compared with; see `nearfar.samplers.sample_classes`.
        weights: `(a,)`, how much each embedding counts.
        reduction: `"mean"` over embeddings, `"active_mean"`, `"sum"` or `"none"`.
        block: embeddings at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`. A row whose class is not among the proxies does not count.

    Raises:
        ValueError: shapes that do not fit together, or a margin that is no whole number.
        TypeError: tensors of two frameworks, labels that are no integers.

    Example:
        >>> import numpy as np
        >>> x, labels = np.array([[1.0, 1.0]]), np.array([0])
        >>> float(large_margin_softmax_loss(x, labels, proxies=np.eye(2), margin=2))  # log(1 + exp(1 - 0))
        1.313261...

    References:
        Liu, Wen, Yu, Yang, "Large-Margin Softmax Loss for Convolutional Neural Networks", 2016,
        https://arxiv.org/abs/1612.02295.
    """
    labels, proxies, numbers = class_inputs(embeddings, labels, proxies, classes)
    _check_margin(margin)

    def terms(distances: Tensor, pairs: Pairs, proxy_norms: Tensor, own_norms: Tensor) -> Terms:
        xp = backend_of(distances)
        cosines = 1 - distances
        eased = (easing * cosines + _times_margin(xp, cosines, margin)) / (1 + easing)
        lengths = own_norms[:, None] * proxy_norms[None, :]
        return cross_entropy(xp, scale * lengths * xp.where(pairs.positive, eased, cosines), pairs.positive)

    return row_loss(
        terms,
        embeddings,
        labels,
        distance="cosine",
        references=proxies,
        reference_labels=numbers,
        parameters=(norms(proxies),),
        per_anchor=(norms(embeddings),),
        weights=weights,
        reduction=reduction,
        block=block,
    )


def sphereface_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    margin: int = 4,
    scale: float = 1.0,
    easing: float = 0.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""SphereFace (A-Softmax): large-margin softmax with proxies of length 1.

    .. math:: \frac{1}{a} \sum_i -\log \frac{e^{\|x_i\| \psi(\theta_{i y_i})}}
              {e^{\|x_i\| \psi(\theta_{i y_i})} + \sum_{c \ne y_i} e^{\|x_i\| \cos \theta_{ic}}}, \quad
              \psi(\theta) = (-1)^k \cos(m \theta) - 2k

    with `k` such that `theta` is in `[k pi / m, (k + 1) pi / m]`. Proxies are normalised, embeddings are not.

    Good for: faces; the origin of the angular margins, hard to train (prefer ArcFace or CosFace).

    Where the margin cannot be met yet, embeddings of free length shrink to zero, which ends the training at the
    loss of chance. `nearfar train` therefore takes embeddings of length 1, a scale of 30 and an easing of 5.

    Args:
        embeddings: `(a, d)` floats; their lengths count.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        margin: `m`, a whole number; 1 is no margin.
        scale: multiplies all logits; embeddings that are of length 1 already want 10 or more.
        easing: `lambda` of the papers' training: the own class's cosine is `(lambda cos + psi) / (1 +
            lambda)`. SphereFace's authors lower it to `max(5, 1000 / (1 + 0.12 t))` by step `t`
            (https://github.com/wy1iu/sphereface); 0 is the loss itself.
        classes: `(k,)` class numbers, the only ones compared with; see `nearfar.samplers.sample_classes`.
        weights: `(a,)`, how much each embedding counts.
        reduction: `"mean"` over embeddings, `"active_mean"`, `"sum"` or `"none"`.
        block: embeddings at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`. A row whose class is not among the proxies does not count.

    Raises:
        ValueError: shapes that do not fit together, or a margin that is no whole number.
        TypeError: tensors of two frameworks, labels that are no integers.

    Example:
        >>> import numpy as np
        >>> x, labels = np.array([[1.0, 1.0]]), np.array([0])
        >>> float(sphereface_loss(x, labels, proxies=np.eye(2), margin=2))  # log(1 + exp(1 - 0))
        1.313261...

    References:
        Liu, Wen, Yu, Li, Raj, Song, "SphereFace: Deep Hypersphere Embedding for Face Recognition", 2017,
        https://arxiv.org/abs/1704.08063.
    """
    _check_margin(margin)

    def terms(distances: Tensor, pairs: Pairs, own_norms: Tensor) -> Terms:
        xp = backend_of(distances)
        cosines = 1 - distances
        eased = (easing * cosines + _times_margin(xp, cosines, margin)) / (1 + easing)
        logits = scale * own_norms[:, None] * xp.where(pairs.positive, eased, cosines)
        return cross_entropy(xp, logits, pairs.positive)

    lengths = norms(embeddings)
    return over_classes(
        terms, embeddings, labels, proxies, classes, weights, reduction, block, per_anchor=(lengths,)
    )
