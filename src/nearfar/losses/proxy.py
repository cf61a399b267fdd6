"""Proxy losses: each class has a learnable representative that embeddings are compared with."""

from ..backends import Tensor, backend_of
from ..distributed import whole_batch
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ..rows import row_loss
from ._classes import class_inputs, cross_entropy, over_classes

__all__ = ["proxy_anchor_loss", "proxy_nca_loss", "proxy_nca_plus_plus_loss"]


def proxy_nca_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    temperature: float = 1.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Proxy-NCA: nearer to the proxy of its own class than to all others.

    .. math:: \frac{1}{a} \sum_i -\log \frac{\exp(-d(x_i, p_{y_i}) / T)}
              {\sum_{z \ne y_i} \exp(-d(x_i, p_z) / T)}, \quad
              d(x, p) = \left\| \frac{x}{\|x\|} - \frac{p}{\|p\|} \right\|^2

    The class's own proxy is not in the denominator, as in the paper, so the value may be negative; with it
    there the loss is `proxy_nca_plus_plus_loss` (pytorch-metric-learning's ProxyNCALoss is that one too).

    Good for: many classes of few samples, where triplets are too many.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        temperature: `T`, in units of the squared distance; the paper has none, and a small one trains
            quicker.
        classes: `(k,)` class numbers, the only ones compared with; see `nearfar.samplers.sample_classes`.
        weights: `(a,)`, how much each embedding counts.
        reduction: `"mean"` over embeddings, `"active_mean"` over those whose loss is positive, `"sum"` or
            `"none"`.
        block: embeddings at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`. A row whose class is not among the proxies does not count.

    Raises:
        ValueError: shapes that do not fit together.
        TypeError: tensors of two frameworks, labels that are no integers.

    Example:
        >>> import numpy as np
        >>> float(proxy_nca_loss(np.array([[1.0, 0.0]]), np.array([0]), proxies=np.eye(2)))  # 0 - 2
        -2.0

    References:
        Movshovitz-Attias, Toshev, Leung, Ioffe, Singh, "No Fuss Distance Metric Learning using Proxies",
        2017, https://arxiv.org/abs/1703.07464.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        logits = -2 * distances / temperature  # |x - p|^2 = 2 (1 - cosine) for rows of length 1
        valid = xp.any(pairs.positive, axis=1) & xp.any(pairs.negative, axis=1)
        others = xp.where(valid, xp.logsumexp(logits, axis=1, where=pairs.negative), 0.0)
        return weighted(xp, others - xp.sum(logits, axis=1, where=pairs.positive), valid)

    return over_classes(terms, embeddings, labels, proxies, classes, weights, reduction, block)


def proxy_nca_plus_plus_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    temperature: float = 1 / 9,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""ProxyNCA++: the chance that an embedding is assigned to the proxy of its class, at a low temperature.

    .. math:: \frac{1}{a} \sum_i -\log \frac{\exp(-d(x_i, p_{y_i}) / T)}{\sum_z \exp(-d(x_i, p_z) / T)}, \quad
              d(x, p) = \left\| \frac{x}{\|x\|} - \frac{p}{\|p\|} \right\|^2

    The paper's other changes are of training: a higher learning rate for the proxies, max pooling, layer
    norm.

    Good for: what Proxy-NCA is good for; the low temperature trains faster.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        temperature: `T`, in units of the squared distance.
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
        >>> x, labels = np.array([[1.0, 0.0]]), np.array([0])
        >>> float(proxy_nca_plus_plus_loss(x, labels, proxies=np.eye(2), temperature=1.0))  # log(1 + exp(-2))
        0.126928...

    References:
        Teh, DeVries, Taylor, "ProxyNCA++: Revisiting and Revitalizing Proxy Neighborhood Component Analysis",
        2020, https://arxiv.org/abs/2004.01113.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        return cross_entropy(backend_of(distances), -2 * distances / temperature, pairs.positive)

    return over_classes(terms, embeddings, labels, proxies, classes, weights, reduction, block)


@whole_batch("embeddings", "labels", "weights")
def proxy_anchor_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    proxies: Tensor,
    margin: float = 0.1,
    alpha: float = 32.0,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Proxy-Anchor: each proxy is an anchor that pulls its class and pushes all others, the hardest most.

    .. math:: \frac{1}{|P^+|} \sum_{p \in P^+}
              \log\left(1 + \sum_{x \in X_p^+} e^{-\alpha (\cos(x, p) - \delta)}\right)
              + \frac{1}{|P|} \sum_{p \in P}
              \log\left(1 + \sum_{x \in X_p^-} e^{\alpha (\cos(x, p) + \delta)}\right)

    `P` are all proxies, `P+` those with a sample in the batch.

    Good for: a fixed set of training classes; hard samples of a batch weigh most.

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` class numbers, from 0.
        proxies: `(classes, d)`, learnable; normalised here. Class `c` is row `c`.
        margin: `delta`, cosine.
        alpha: how much the hardest samples outweigh the rest.
        classes: `(k,)` class numbers, the only proxies that take part; see `nearfar.samplers.sample_classes`.
        weights: `(a,)`, how often each embedding counts in the sums of every proxy.
        reduction: `"mean"`: over proxies with positives plus over all proxies; `"active_mean"`: each over its
            positive terms; `"sum"`; `"none"`: one value per **proxy**.
        block: proxies at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(classes,)` for `"none"`.

    Raises:
        ValueError: shapes that do not fit together.
        TypeError: tensors of two frameworks, labels that are no integers.

    Example:
        >>> import numpy as np
        >>> x, labels = np.array([[1.0, 0.0]]), np.array([0])
        >>> loss = proxy_anchor_loss(x, labels, proxies=np.eye(2), margin=0.0, alpha=1.0)
        >>> float(loss)  # log(1 + 1 / e) / 1 + log(1 + 1) / 2
        0.659835...

    References:
        Kim, Kim, Cho, Kwak, "Proxy Anchor Loss for Deep Metric Learning", 2020,
        https://arxiv.org/abs/2003.13911.
    """
    labels, proxies, numbers = class_inputs(embeddings, labels, proxies, classes)

    def terms(distances: Tensor, pairs: Pairs, *given: Tensor) -> tuple[Terms, Terms]:
        xp = backend_of(distances)
        cosines = 1 - distances
        counts = [xp.astype(x, cosines)[None, :] for x in given]
        kept = [pairs.positive & (counts[0] > 0), pairs.negative & (counts[0] > 0)] if given else pairs

        def softplus_sum(exponents: Tensor, where: Tensor) -> Tensor:
            for count in counts:
                exponents = exponents + xp.log(xp.where(count > 0, count, 1.0))
            some = xp.any(where, axis=1)
            whole = xp.logsumexp(exponents, axis=1, where=where)
            return xp.where(some, xp.softplus(xp.where(some, whole, 0.0)), 0.0)

        pull = softplus_sum(-alpha * (cosines - margin), kept[0])
        push = softplus_sum(alpha * (cosines + margin), kept[1])
        return weighted(xp, pull, xp.any(kept[0], axis=1)), weighted(xp, push, push >= 0)

    given = [x for x in (weights,) if x is not None]
    rest = {"distance": "cosine", "parameters": given, "reduction": reduction, "block": block}
    return row_loss(terms, proxies, numbers, references=embeddings, reference_labels=labels, **rest)
