"""Losses of two views that need no negatives: they keep the columns of an embedding apart instead.

They look at whole columns, so they run dense. For two views through any loss of labels see
`nearfar.pairs.from_views`.
"""

from ..backends import Backend, Tensor, backend_of
from ..distributed import whole_batch
from ..reduction import safe_divide
from ._explicit import check_tuples, in_float, tuple_weights

__all__ = ["barlow_twins_loss", "vicreg_loss"]


@whole_batch("views", "other_views")
def vicreg_loss(
    views: Tensor,
    other_views: Tensor,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    eps: float = 1e-4,
    weights: Tensor | None = None,
) -> Tensor:
    r"""VICReg: two views alike, each column of spread 1, no two columns correlated.

    .. math:: \frac{\lambda}{n d} \sum_i \|z_i - z'_i\|^2 + \mu (v(Z) + v(Z')) + \nu (c(Z) + c(Z')), \quad
              v(Z) = \frac{1}{d} \sum_j \max(0, 1 - \sqrt{\mathrm{Var}(z^j) + \epsilon}), \quad
              c(Z) = \frac{1}{d} \sum_{i \ne j} \mathrm{Cov}(Z)_{ij}^2

    Good for: pretraining without labels, small batches; embeddings are not normalised.

    Args:
        views: `(n, d)` floats.
        other_views: `(n, d)`; row `i` is another view of the same sample.
        invariance: `lambda`.
        variance: `mu`.
        covariance: `nu`.
        eps: `epsilon`; keeps the slope finite where a column is constant.
        weights: `(n,)` or `(n, 1)` floats, how much each sample counts in means and (co)variances: a weight of 2 is
            that pair of rows given twice.

    Returns:
        Scalar; 0 for no rows.

    Raises:
        ValueError: shapes that do not fit together.
        TypeError: tensors of two frameworks.

    Example:
        >>> import numpy as np
        >>> views = np.array([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [0.0, -2.0]])
        >>> float(vicreg_loss(views, views + 1.0))  # 25 times 1; spread and uncorrelated as they are
        25.0

    References:
        Bardes, Ponce, LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
        Learning", 2022, https://arxiv.org/abs/2105.04906. The invariance is a mean over columns too, as in
        the authors' code, for which the coefficients were chosen (the paper's formula has their sum); the variance
        is the paper's sum over both views (the code and pytorch-metric-learning halve it). Variances and
        covariances divide by n - 1, where n is the sum of the weights if there are any (by 1 where n < 2, so give
        weights that are about 1).
    """
    xp = backend_of(views, other_views)
    check_tuples(xp, views=views, other_views=other_views)
    x, y = in_float(xp, views, other_views)
    counts, apart = _counts(xp, weights, x), _columns_apart(xp, x)
    loss = invariance * xp.mean(_mean(xp, (x - y) * (x - y), counts))
    for z in (x, y):
        covariances = _covariances(xp, z, counts)
        spread = xp.sqrt(xp.sum(xp.where(~apart, covariances, 0.0), axis=0) + eps)
        loss = loss + variance * xp.mean(xp.relu(1 - spread))
        loss = loss + covariance * xp.mean(xp.sum(xp.where(apart, covariances**2, 0.0), axis=0))
    return xp.where(xp.sum(counts) > 0, loss, 0.0)


@whole_batch("views", "other_views")
def barlow_twins_loss(
    views: Tensor, other_views: Tensor, *, redundancy: float = 0.005, weights: Tensor | None = None
) -> Tensor:
    r"""Barlow Twins: each column agrees with itself in the other view, and with no other column.

    .. math:: \sum_i (1 - C_{ii})^2 + \lambda \sum_i \sum_{j \ne i} C_{ij}^2, \quad
              C_{ij} = \frac{\sum_b z_{bi} z'_{bj}}{\sqrt{\sum_b z_{bi}^2} \sqrt{\sum_b {z'_{bj}}^2}}

    with the columns `z` centred over the batch.

    Good for: pretraining without labels, wide embeddings.

    Args:
        views: `(n, d)` floats.
        other_views: `(n, d)`; row `i` is another view of the same sample.
        redundancy: `lambda`, how much correlated columns cost.
        weights: `(n,)` or `(n, 1)` floats, how much each sample counts in correlations: a weight of 2 is
            that pair of rows given twice.

    Returns:
        Scalar; 0 for no rows. A column that is constant is correlated with nothing, itself included.

    Raises:
        ValueError: shapes that do not fit together.
        TypeError: tensors of two frameworks.

    Example:
        >>> import numpy as np
        >>> views = np.array([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [0.0, -2.0]])
        >>> round(float(barlow_twins_loss(views, -views)), 9)  # C = -1 on the diagonal: (1 + 1)^2 twice
        8.0

    References:
        Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction",
        2021, https://arxiv.org/abs/2103.03230.
    """
    xp = backend_of(views, other_views)
    check_tuples(xp, views=views, other_views=other_views)
    x, y = in_float(xp, views, other_views)
    counts = _counts(xp, weights, x)
    x, y = (_unit_columns(xp, z, counts) for z in (x, y))
    correlation = xp.matrix_transpose(x) @ y
    squares = correlation * correlation
    loss = xp.sum(xp.where(_columns_apart(xp, x), redundancy * squares, 1 - 2 * correlation + squares))
    return xp.where(xp.sum(counts) > 0, loss, 0.0)


def _counts(xp: Backend, weights: Tensor | None, x: Tensor) -> Tensor:
    """How often each row counts, `(n, 1)`."""
    ones = xp.full_like(x[:, :1], 1.0)
    weights = tuple_weights(xp, weights, x, "views")
    return ones if weights is None else ones * weights[:, None]


def _mean(xp: Backend, x: Tensor, counts: Tensor) -> Tensor:
    """Mean of each column, `(d,)`."""
    return safe_divide(xp, xp.sum(counts * x, axis=0), xp.sum(counts))


def _covariances(xp: Backend, x: Tensor, counts: Tensor) -> Tensor:
    """Covariances of the columns `(d, d)`, over n - 1, or 1 where that is less; 0 for one row."""
    x = x - _mean(xp, x, counts)[None, :]
    return (xp.matrix_transpose(counts * x) @ x) / (1 + xp.relu(xp.sum(counts) - 2))


def _unit_columns(xp: Backend, x: Tensor, counts: Tensor) -> Tensor:
    """Columns of mean 0 and length 1, whose products are their correlations."""
    x = xp.sqrt(counts) * (x - _mean(xp, x, counts)[None, :])
    length = xp.sqrt(xp.sum(x * x, axis=0))[None, :]
    return x / xp.where(length > 0, length, 1.0)


def _columns_apart(xp: Backend, x: Tensor) -> Tensor:
    columns = xp.arange(xp.shape(x)[1], x)
    return columns[:, None] != columns[None, :]
