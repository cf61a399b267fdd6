"""Softmax over classes whose margin follows the embedding's length, which stands for the sample's quality."""

from ..backends import Backend, Tensor, backend_of
from ..distributed import everybody
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ._classes import cross_entropy, norms, over_classes, scalars

__all__ = ["adaface_loss", "magface_loss"]

_HALF_PI = 1.5707963267948966


def adaface_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    margin: float = 0.4,
    concentration: float = 0.333,
    scale: float = 64.0,
    norm_mean: float | Tensor | None = None,
    norm_std: float | Tensor | None = None,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""AdaFace: a margin of the angle for poor samples, of the cosine for good ones, by its length.

    .. math:: \frac{1}{a} \sum_i -\log \frac{e^{s z_i}}{e^{s z_i} + \sum_{c \ne y_i} e^{s \cos \theta_{ic}}},
              \quad
              z_i = \cos(\theta_{i y_i} - m q_i) - m q_i - m, \quad
              q_i = \mathrm{clip}\left(\frac{\|x_i\| - \mu}{\sigma / h}, -1, 1\right)

    Hard samples weigh more where the picture is good and less where it is beyond recognition. The lengths `q`
    is made of are held constant. Embeddings that are of equal length already get CosFace with margin `m`.

    Good for: faces and other sets of uneven quality; the embedding must not be normalised by the model.

    Args:
        embeddings: `(a, d)` floats, not normalised: the length is the quality.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        margin: `m`, radians and cosine.
        concentration: `h`: lengths beyond `1 / h` standard deviations are clipped.
        scale: `s`.
        norm_mean: `mu`, mean length; the batch's when left out. The authors keep a running mean (0.99 of the
            old).
        norm_std: `sigma`, standard deviation of the lengths, likewise.
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
        >>> float(adaface_loss(x, labels, proxies=np.eye(2), scale=1.0))  # q = 0: log(1 + exp(-(1 - 0.4)))
        0.437487...

    References:
        Kim, Jain, Liu, "AdaFace: Quality Adaptive Margin for Face Recognition", 2022,
        https://arxiv.org/abs/2204.00964. As in the authors' code, 0.001 is added to `sigma`, lengths are
        clipped to 0.001 ... 100, and the angle with its margin to 0 ... pi; the batch's variance is over n, theirs
        over n - 1, which one row does not have.
    """
    margins = margin * _quality(embeddings, concentration, norm_mean, norm_std)

    def terms(distances: Tensor, pairs: Pairs, margins: Tensor) -> Terms:
        xp = backend_of(distances)
        turned = _turned(xp, distances, -margins[:, None]) - (margins[:, None] + margin)
        return cross_entropy(xp, scale * xp.where(pairs.positive, turned, 1 - distances), pairs.positive)

    return over_classes(
        terms, embeddings, labels, proxies, classes, weights, reduction, block, per_anchor=(margins,)
    )


def _quality(
    embeddings: Tensor, concentration: float, mean: "float | Tensor | None", std: "float | Tensor | None"
) -> Tensor:
    """-1 for rows much shorter than the mean, 1 for much longer ones."""
    xp = backend_of(embeddings)
    length = _clip(xp, xp.stop_gradient(norms(embeddings)), 0.001, 100.0)
    (lengths,), _ = everybody(xp, length)
    centre = xp.mean(lengths) if mean is None else scalars(embeddings, mean)[0]
    spread = xp.sqrt(xp.mean((lengths - centre) ** 2)) if std is None else scalars(embeddings, std)[0]
    return _clip(xp, (length - centre) / (spread + 0.001) * concentration, -1.0, 1.0)


def _clip(xp: Backend, x: Tensor, low: float, high: float) -> Tensor:
    x = xp.where(x < low, xp.full_like(x, low), x)
    return xp.where(x > high, xp.full_like(x, high), x)


def _turned(xp: Backend, distances: Tensor, angle: Tensor) -> Tensor:
    """cos(theta + angle) from 1 - cos(theta), the sum clipped to 0 ... pi."""
    cosines, turn = 1 - distances, xp.cos(angle)
    whole = cosines * turn - xp.sqrt(distances * (2 - distances)) * xp.cos(angle - _HALF_PI)
    beyond, before = (angle > 0) & (cosines < -turn), (angle < 0) & (cosines > turn)
    return xp.where(~beyond, xp.where(~before, whole, 1.0), -1.0)


def magface_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    lengths: tuple[float, float] = (10.0, 110.0),
    margins: tuple[float, float] = (0.45, 0.8),
    length_weight: float = 35.0,
    scale: float = 64.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""MagFace: ArcFace whose margin grows with the embedding's length, which is rewarded for growing.

    .. math:: \frac{1}{a} \sum_i -\log \frac{e^{s \cos(\theta_{i y_i} + m(a_i))}}
              {e^{s \cos(\theta_{i y_i} + m(a_i))} + \sum_{c \ne y_i} e^{s \cos \theta_{ic}}}
              + \lambda \left(\frac{1}{a_i} + \frac{a_i}{u^2}\right), \quad a_i = \|x_i\|

    Easy samples grow long and hard ones stay short, so that the length tells the quality of a sample. `m(a)`
    is a straight line from the smaller margin at the smaller length to the larger at the larger; lengths are
    clipped to that range.

    Good for: faces when a measure of quality is wanted too; the embedding must not be normalised by the
    model.

    Args:
        embeddings: `(a, d)` floats, not normalised: the length is the quality.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        lengths: smallest and largest length `l`, `u`.
        margins: the margin at each of them, radians.
        length_weight: `lambda`, how much longer embeddings are rewarded.
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
        >>> x, labels = np.array([[10.0, 0.0]]), np.array([0])
        >>> loss = magface_loss(x, labels, proxies=np.eye(2), scale=1.0, length_weight=1.0)
        >>> float(loss)  # log(1 + exp(-cos(0.45))) + 1 / 10 + 10 / 110^2
        0.441851...

    References:
        Meng, Zhao, Huang, Zhou, "MagFace: A Universal Representation for Face Recognition and Quality
        Assessment", 2021, https://arxiv.org/abs/2103.06627. Where the angle would pass pi, see
        `arcface_loss`; the authors' code has ArcFace's "easy margin" by default, none beyond a right angle.
    """
    (low, high), (small, large) = lengths, margins
    xp = backend_of(embeddings)
    length = _clip(xp, norms(embeddings), low, high)
    reward = length_weight * (1 / length + length / high**2)

    def terms(distances: Tensor, pairs: Pairs, angle: Tensor, reward: Tensor) -> Terms:
        cosines, turn, turn_sine = 1 - distances, xp.cos(angle)[:, None], xp.cos(angle - _HALF_PI)[:, None]
        turned = cosines * turn - xp.sqrt(distances * (2 - distances)) * turn_sine
        turned = xp.where(cosines > -turn, turned, cosines - angle[:, None] * turn_sine)
        total, valid, _ = cross_entropy(xp, scale * xp.where(pairs.positive, turned, cosines), pairs.positive)
        return weighted(xp, total + reward, valid > 0)

    angle = small + (large - small) * (length - low) / (high - low)
    return over_classes(
        terms, embeddings, labels, proxies, classes, weights, reduction, block, per_anchor=(angle, reward)
    )
