"""Softmax over classes with a margin that is added to the angle or taken from the cosine of the own class."""

import math

from ..backends import Backend, Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms
from ._classes import cross_entropy, over_classes

__all__ = ["arcface_loss", "cosface_loss", "sub_center_arcface_loss"]


def _plus_margin(xp: Backend, distances: Tensor, margin: float) -> Tensor:
    """cos(theta + margin) from 1 - cos(theta), without arccos; beyond pi, a line that goes on falling."""
    cosines = 1 - distances
    sines = xp.sqrt(distances * (2 - distances))
    turned = cosines * math.cos(margin) - sines * math.sin(margin)
    return xp.where(cosines > -math.cos(margin), turned, cosines - margin * math.sin(margin))


def arcface_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    margin: float = 0.5,
    scale: float = 64.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""ArcFace: cross-entropy of cosines, with a margin added to the angle to the own class.

    .. math:: \frac{1}{a} \sum_i -\log \frac{e^{s \cos(\theta_{i y_i} + m)}}
              {e^{s \cos(\theta_{i y_i} + m)} + \sum_{c \ne y_i} e^{s \cos \theta_{ic}}}, \quad
              \theta_{ic} = \angle(x_i, w_c)

    Where the angle would pass pi, `cos(theta) - m sin(m)` takes the place of `cos(theta + m)`, as in the
    authors' code: it goes on falling. The cosine of the sum comes from sine and cosine, so that an embedding
    equal to its proxy has a finite slope.

    Good for: faces; any fixed set of many classes. The standard of face recognition.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        margin: `m`, in radians (0.5 is 28.6 degrees).
        scale: `s`.
        classes: `(k,)` class numbers, the only ones compared with; see `nearfar.samplers.sample_classes`.
        weights: `(a,)`, how much each embedding counts.
        reduction: `"mean"` over embeddings, `"active_mean"`, `"sum"` or `"none"`.
        block: embeddings at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`. A row whose class is not among the proxies does not count.

    Raises:
        ValueError: shapes that do not fit together.
        TypeError: tensors of two frameworks, labels that are no integers.

    Example:
        >>> import numpy as np
        >>> x, labels = np.array([[2.0, 0.0]]), np.array([0])
        >>> float(arcface_loss(x, labels, proxies=np.eye(2), scale=1.0))  # log(1 + exp(-cos(0.5)))
        0.347685...

    References:
        Deng, Guo, Xue, Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019,
        https://arxiv.org/abs/1801.07698.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        cosines = xp.where(pairs.positive, _plus_margin(xp, distances, margin), 1 - distances)
        return cross_entropy(xp, scale * cosines, pairs.positive)

    return over_classes(terms, embeddings, labels, proxies, classes, weights, reduction, block)


def cosface_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    margin: float = 0.35,
    scale: float = 64.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""CosFace: cross-entropy of cosines, with a margin taken from the cosine to the own class.

    .. math:: \frac{1}{a} \sum_i -\log \frac{e^{s (\cos(x_i, w_{y_i}) - m)}}
              {e^{s (\cos(x_i, w_{y_i}) - m)} + \sum_{c \ne y_i} e^{s \cos(x_i, w_c)}}

    Good for: faces; any fixed set of many classes. Easier to train than an angular margin.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        margin: `m`, cosine.
        scale: `s`.
        classes: `(k,)` class numbers, the only ones compared with; see `nearfar.samplers.sample_classes`.
        weights: `(a,)`, how much each embedding counts.
        reduction: `"mean"` over embeddings, `"active_mean"`, `"sum"` or `"none"`.
        block: embeddings at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`. A row whose class is not among the proxies does not count.

    Raises:
        ValueError: shapes that do not fit together.
        TypeError: tensors of two frameworks, labels that are no integers.

    Example:
        >>> import numpy as np
        >>> x, labels = np.array([[2.0, 0.0]]), np.array([0])
        >>> float(cosface_loss(x, labels, proxies=np.eye(2), scale=1.0))  # log(1 + exp(-(1 - 0.35)))
        0.420055...

    References:
        Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", 2018,
        https://arxiv.org/abs/1801.09414.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        cosines = 1 - xp.where(pairs.positive, distances + margin, distances)
        return cross_entropy(xp, scale * cosines, pairs.positive)

    return over_classes(terms, embeddings, labels, proxies, classes, weights, reduction, block)


def sub_center_arcface_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    margin: float = 0.5,
    scale: float = 64.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Sub-center ArcFace: ArcFace whose classes have several centres, of which the nearest counts.

    .. math:: \frac{1}{a} \sum_i -\log \frac{e^{s \cos(\theta_{i y_i} + m)}}
              {e^{s \cos(\theta_{i y_i} + m)} + \sum_{c \ne y_i} e^{s \cos \theta_{ic}}}, \quad
              \cos \theta_{ic} = \max_k \cos(x_i, w_{ck})

    Good for: noisy labels: wrong samples gather at a centre of their own; classes of several modes.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, k, d)`, learnable, `k` centres per class (3 in the paper); normalised here.
        margin: `m`, in radians.
        scale: `s`.
        classes: `(k,)` class numbers, the only ones compared with; see `nearfar.samplers.sample_classes`.
        weights: `(a,)`, how much each embedding counts.
        reduction: `"mean"` over embeddings, `"active_mean"`, `"sum"` or `"none"`.
        block: embeddings at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`. A row whose class is not among the proxies does not count.

    Raises:
        ValueError: shapes that do not fit together.
        TypeError: tensors of two frameworks, labels that are no integers.

    Example:
        >>> import numpy as np
        >>> centres = np.array([[[1.0, 0.0], [0.0, -1.0]], [[0.0, 1.0], [-1.0, 0.0]]])  # 2 a class
        >>> x, labels = np.array([[2.0, 0.0]]), np.array([0])
        >>> float(sub_center_arcface_loss(x, labels, proxies=centres, scale=1.0))  # log(1 + exp(-cos(0.5)))
        0.347685...

    References:
        Deng, Guo, Liu, Gong, Zafeiriou, "Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy
        Web Faces", ECCV 2020,
        https://www.ecva.net/papers/eccv_2020/papers_ECCV/html/1445_ECCV_2020_paper.php.
    """
    centres = proxies.shape[1]

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        nearest = xp.min(xp.reshape(distances, (xp.shape(distances)[0], -1, centres)), axis=2)
        positive = xp.reshape(pairs.positive, (xp.shape(distances)[0], -1, centres))[:, :, 0]
        cosines = xp.where(positive, _plus_margin(xp, nearest, margin), 1 - nearest)
        return cross_entropy(xp, scale * cosines, positive)

    return over_classes(terms, embeddings, labels, proxies, classes, weights, reduction, block, axes=3)
