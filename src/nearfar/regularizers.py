"""Terms to add to a loss: on the lengths and sums of embeddings, on proxies and on their centres."""

from .backends import Tensor, backend_of
from .distances import pairwise

__all__ = ["center_invariant", "lp", "regular_face", "sparse_centers", "zero_mean"]


def lp(embeddings: Tensor, *, p: float = 2.0, power: float = 1.0) -> Tensor:
    r"""Mean length of the rows: keeps embeddings that are normalised later from growing.

    .. math:: \frac{1}{n} \sum_i \|x_i\|_p^{power}

    Args:
        embeddings: `(n, d)` floats; or proxies.
        p: order of the norm, at least 1; infinity for the largest coordinate.
        power: 2 is weight decay.

    Returns:
        Scalar; the slope is 0 where a row is 0.

    Raises:
        ValueError: not a table, or no norm.

    Example:
        >>> import numpy as np
        >>> float(lp(np.array([[3.0, 4.0], [0.0, 1.0]])))
        3.0

    References:
        Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", 2016, regularises the
        squared length (`power=2`).
    """
    xp = backend_of(embeddings)
    if p < 1 or power <= 0:
        raise ValueError(f"p is {p} and power {power}; expected p of at least 1 and a power above 0.")
    x = _table(embeddings, "embeddings")
    if p == float("inf"):
        return xp.mean(_power(x, xp.max(xp.abs(x), axis=1), power))
    total = xp.sum(_power(x, xp.abs(x), p), axis=1)
    return xp.mean(_power(x, total, power / p))


def zero_mean(embeddings: Tensor) -> Tensor:
    r"""Mean over rows of the absolute sum of a row: each embedding's coordinates average out.

    .. math:: \frac{1}{n} \sum_i \left| \sum_j x_{ij} \right|

    Args:
        embeddings: `(n, d)` floats.

    Returns:
        Scalar.

    Raises:
        ValueError: not a table.

    Example:
        >>> import numpy as np
        >>> float(zero_mean(np.array([[1.0, -1.0], [2.0, 1.0]])))
        1.5

    References:
        As pytorch-metric-learning's ZeroMeanRegularizer; no paper is known to us.
    """
    xp = backend_of(embeddings)
    return xp.mean(xp.abs(xp.sum(_table(embeddings, "embeddings"), axis=1)))


def center_invariant(proxies: Tensor) -> Tensor:
    r"""Spread of the proxies' squared lengths: classes of few samples get proxies as long as the others'.

    .. math:: \frac{1}{4c} \sum_i \left( \|w_i\|^2 - \frac{1}{c} \sum_k \|w_k\|^2 \right)^2

    Args:
        proxies: `(classes, d)` floats, as they are: for losses that do not normalise them.

    Returns:
        Scalar; 0 where all are of one length.

    Raises:
        ValueError: not a table.

    Example:
        >>> import numpy as np
        >>> float(center_invariant(np.array([[2.0, 0.0], [0.0, 0.0]])))  # (4 - 2)^2 / 4
        1.0

    References:
        Wu, Liu, Wang, "Deep Face Recognition with Center Invariant Loss", 2017.
    """
    xp = backend_of(proxies)
    x = _table(proxies, "proxies")
    squares = xp.sum(x * x, axis=1)
    return 0.25 * xp.mean((squares - xp.mean(squares)) ** 2)


def regular_face(proxies: Tensor) -> Tensor:
    r"""Mean cosine of each proxy to its nearest other one: pushes classes apart.

    .. math:: \frac{1}{c} \sum_i \max_{j \ne i} \cos(w_i, w_j)

    Args:
        proxies: `(classes, d)` floats.

    Returns:
        Scalar, -1 ... 1; 0 for a single proxy.

    Raises:
        ValueError: not a table.

    Example:
        >>> import numpy as np
        >>> float(regular_face(np.array([[2.0, 0.0], [0.0, 1.0], [0.0, -3.0]])))
        0.0

    References:
        Zhao, Xu, Cheng, "RegularFace: Deep Face Recognition via Exclusive Regularization", 2019.
    """
    xp = backend_of(proxies)
    x = _table(proxies, "proxies")
    number = xp.arange(xp.shape(x)[0], x)
    other = number[:, None] != number[None, :]
    some = xp.any(other, axis=1)
    nearest = xp.min(pairwise(x, x, "cosine"), axis=1, where=other | ~some[:, None])
    return xp.mean(xp.where(some, 1 - nearest, 0.0))


def sparse_centers(proxies: Tensor) -> Tensor:
    r"""Mean distance of the centres of one class: those that are not needed fall together.

    .. math:: \frac{1}{C K (K - 1)} \sum_c \sum_{t < s} \sqrt{2 - 2 \cos(w_{cs}, w_{ct})}

    Args:
        proxies: `(classes, k, d)` floats, `k` centres per class, as `nearfar.losses.soft_triple_loss` takes
            them.

    Returns:
        Scalar; 0 for one centre per class. The slope is 0 where two centres are one.

    Raises:
        ValueError: not three axes.

    Example:
        >>> import numpy as np
        >>> float(sparse_centers(np.array([[[1.0, 0.0], [-1.0, 0.0]]])))  # 2 / (1 * 2 * 1)
        1.0

    References:
        Qian, Shang, Sun, Hu, Li, Jin, "SoftTriple Loss: Deep Metric Learning Without Triplet Sampling", 2019,
        https://arxiv.org/abs/1909.05235 (the paper adds 0.2 times this to its loss).
    """
    xp = backend_of(proxies)
    if len(proxies.shape) != 3:
        raise ValueError(f"proxies has shape {tuple(proxies.shape)}; expected (classes, centres, d).")
    x = xp.asfloat(proxies)
    norm = xp.sqrt(xp.sum(x * x, axis=2))[:, :, None]
    x = x / xp.where(norm > 0, norm, 1.0)
    chords = xp.sqrt(2 - 2 * x @ xp.matrix_transpose(x))  # both triangles: each pair twice
    classes, centres, _ = xp.shape(x)
    number = xp.arange(centres, x)
    apart = xp.astype(number[:, None] != number[None, :], x)[None, :, :]
    return 0.5 * xp.sum(apart * chords) / max(1, classes * centres * (centres - 1))


def _table(x: Tensor, name: str) -> Tensor:
    if len(x.shape) != 2:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected rows, (n, d).")
    return backend_of(x).asfloat(x)


def _power(like: Tensor, x: Tensor, exponent: float) -> Tensor:
    """x ** exponent of x >= 0, with slope 0 at 0."""
    if exponent == 1:
        return x
    if exponent == 2:
        return x * x
    xp = backend_of(like)
    if exponent == 0.5:
        return xp.sqrt(x)
    some = x > 0
    return xp.where(some, xp.exp(exponent * xp.log(xp.where(some, x, 1.0))), 0.0)
