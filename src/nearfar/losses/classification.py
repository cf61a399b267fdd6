"""Softmax over classes: the proxies are the rows of a classifier's last layer."""

from ..backends import Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ._classes import cross_entropy, over_classes

__all__ = ["instance_loss", "normalized_softmax_loss", "p2sgrad_loss", "soft_triple_loss"]


def normalized_softmax_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    temperature: float = 0.05,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Normalised softmax: cross-entropy of cosines to the classes.

    .. math:: \frac{1}{a} \sum_i -\log \frac{\exp(\cos(x_i, w_{y_i}) / T)}{\sum_c \exp(\cos(x_i, w_c) / T)}

    Good for: a simple and strong baseline where training classes are fixed.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        temperature: `T`, cosine.
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
        >>> float(normalized_softmax_loss(x, labels, proxies=np.eye(2), temperature=1.0))  # log(1 + 1 / e)
        0.313261...

    References:
        Zhai, Wu, "Classification is a Strong Baseline for Deep Metric Learning", 2019,
        https://arxiv.org/abs/1811.12649.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        return cross_entropy(backend_of(distances), -distances / temperature, pairs.positive)

    return over_classes(terms, embeddings, labels, proxies, classes, weights, reduction, block)


def instance_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    scale: float = 1.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Instance loss: a softmax over instances as classes, on plain inner products.

    .. math:: \frac{1}{a} \sum_i -\log \frac{\exp(s \, x_i \cdot w_{y_i})}{\sum_c \exp(s \, x_i \cdot w_c)}

    Every instance (a sample with its views, or an image with its texts) is a class of its own, and all
    modalities share the proxies: call it for each, on the same `proxies`, and add. pytorch-metric-learning's
    InstanceLoss takes the rows of the batch for classes instead, and depends on their order.

    Good for: image and text towers before a ranking loss, many classes of few samples.

    Args:
        embeddings: `(a, d)` floats, as they are.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable, as they are. Class `c` is row `c`.
        scale: `s`, multiplies the inner products.
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
        >>> float(instance_loss(x, labels, proxies=np.eye(2)))  # log(1 + 1 / e^2)
        0.126928...

    References:
        Zheng et al., "Dual-Path Convolutional Image-Text Embeddings with Instance Loss", 2020,
        https://arxiv.org/abs/1711.05535.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        return cross_entropy(backend_of(distances), -scale * distances, pairs.positive)

    return over_classes(
        terms, embeddings, labels, proxies, classes, weights, reduction, block, distance="dot"
    )


def p2sgrad_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""P2SGrad: each cosine's squared error against 1 for its own class and 0 for the others.

    .. math:: \frac{1}{2a} \sum_i \sum_c (\cos(x_i, w_c) - [c = y_i])^2

    The paper gives a gradient and no loss; this is the loss of that gradient. There is no scale and no margin
    to choose. pytorch-metric-learning's P2SGradLoss is this times 2 over the number of classes.

    Good for: face and voice embeddings when there is no time to tune a margin.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
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
        >>> x, labels = np.array([[0.0, 2.0]]), np.array([0])
        >>> float(p2sgrad_loss(x, labels, proxies=np.eye(2)))  # ((0 - 1)^2 + (1 - 0)^2) / 2
        1.0

    References:
        Zhang et al., "P2SGrad: Refined Gradients for Optimizing Deep Face Models", 2019,
        https://arxiv.org/abs/1905.02479.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        error = xp.where(pairs.positive, distances, 1 - distances)
        return weighted(xp, 0.5 * xp.sum(error * error, axis=1), xp.any(pairs.positive, axis=1))

    return over_classes(terms, embeddings, labels, proxies, classes, weights, reduction, block)


def soft_triple_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""SoftTriple: softmax over classes that each have several centres, of which the nearest count most.

    .. math:: S_{ic} = \sum_k \frac{e^{\cos(x_i, w_{ck}) / \gamma}}{\sum_l e^{\cos(x_i, w_{cl}) / \gamma}}
              \cos(x_i, w_{ck}),
              \quad \frac{1}{a} \sum_i -\log \frac{e^{\lambda (S_{i y_i} - \delta)}}
              {e^{\lambda (S_{i y_i} - \delta)} + \sum_{c \ne y_i} e^{\lambda S_{ic}}}

    The paper's objective adds 0.2 times `nearfar.regularizers.sparse_centers(proxies)`, which merges centres
    not needed.

    Good for: classes of several modes (poses, views).

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, k, d)`, learnable, `k` centres per class (10 in the paper); normalised here.
        scale: `lambda`.
        gamma: how softly the nearest centre is chosen, cosine.
        margin: `delta`, cosine.
        classes: `(c,)` class numbers, the only ones compared with; see `nearfar.samplers.sample_classes`.
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
        >>> centres = np.array([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [-1.0, 0.0]]])  # 2 a class
        >>> x, labels = np.array([[1.0, 0.0]]), np.array([0])
        >>> float(soft_triple_loss(x, labels, proxies=centres, scale=1.0))  # log(1 + exp(-1.98995))
        0.128130...

    References:
        Qian, Shang, Sun, Hu, Li, Jin, "SoftTriple Loss: Deep Metric Learning Without Triplet Sampling", 2019,
        https://arxiv.org/abs/1909.05235.
    """
    centres = proxies.shape[1]

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        cosines = xp.reshape(1 - distances, (xp.shape(distances)[0], -1, centres))
        positive = xp.reshape(pairs.positive, (xp.shape(distances)[0], -1, centres))[:, :, 0]
        chosen = xp.exp(cosines / gamma - xp.logsumexp(cosines / gamma, axis=2)[:, :, None])
        similarities = xp.sum(chosen * cosines, axis=2)
        return cross_entropy(xp, scale * xp.where(positive, similarities - margin, similarities), positive)

    return over_classes(terms, embeddings, labels, proxies, classes, weights, reduction, block, axes=3)
