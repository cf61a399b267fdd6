"""A soft margin that follows the distribution of the triplets' gaps."""

from ..backends import Backend, Tensor, backend_of
from ..distances import pairwise
from ..distributed import whole_batch
from ..pairs import Pairs, from_labels
from ..reduction import Terms, weighted
from ._batch import over_batch
from ._histograms import density as density_of
from ._histograms import look_up, nodes

__all__ = ["dynamic_soft_margin_loss", "gap_density"]


@whole_batch("embeddings", "labels")
def dynamic_soft_margin_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    density: Tensor | None = None,
    num_bins: int = 511,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Triplets weighed by how hard they are among all: the margin follows the distribution of the gaps.

    .. math:: \frac{1}{|P|} \sum_{(a,p) \in P} F(g_{ap})\, g_{ap}, \quad
              g_{ap} = d(a, p) - \min\big(\min_{n \in N(a)} d(a, n), \min_{n \in N(p)} d(p, n)\big)

    `F` is the cumulative distribution of the gaps; no gradient goes through it. Distances are Euclidean, of
    rows that are normalised here. A pair needs the positive's row too and `F` all pairs, so it runs dense.

    Args:
        embeddings: `(a, d)` floats.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        density: `(num_bins + 1,)` from `gap_density`, the paper's moving average over batches; None takes the
            batch's own.
        num_bins: bins of the gap's range -2 ... 2 where `density` is None; the authors' code has 512 nodes.
        references: `(r, d)`, the other end of each pair; the paper's matching patches, so that a negative of
            an anchor is a reference and a negative of a reference an anchor. The other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's pairs count, in `F` too.
        reduction: `"mean"` over positive pairs that have a negative, `"active_mean"` over those with a
            positive gap, `"sum"`, or `"none"`. The loss is negative where most gaps are.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no such pair exists.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> float(dynamic_soft_margin_loss(embeddings, np.array([0, 0, 1])))  # both gaps 0
        0.0

    References:
        Zhang, Rusinkiewicz, "Learning Local Descriptors with a CDF-Based Dynamic Soft Margin", ICCV 2019,
        https://doi.org/10.1109/ICCV.2019.00306.
        pytorch-metric-learning takes all triplets in place of the nearest negatives.
    """

    def terms(distances: Tensor, pairs: Pairs, *given: Tensor) -> Terms:
        xp = backend_of(distances)
        gaps, valid = _gaps(xp, distances, pairs)
        bins = num_bins if density is None else xp.shape(given[0])[0] - 1
        index, upper = nodes(xp, gaps, 2.0, bins)
        share = given[0] if density is not None else density_of(xp, index, upper, valid, bins, *given)
        weight = look_up(xp, xp.cumulative_sum(xp.stop_gradient(share)[None, :]), index)
        return weighted(xp, weight * gaps, valid)

    given = [x for x in (density,) if x is not None]
    own = [x for x in (weights,) if x is not None and density is None]
    rest = {"distance": _of_unit_rows, "parameters": given, "per_anchor": own}
    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, None, **rest
    )


@whole_batch("embeddings", "labels")
def gap_density(
    embeddings: Tensor,
    labels: Tensor,
    *,
    previous: Tensor | None = None,
    momentum: float = 0.01,
    num_bins: int = 511,
) -> Tensor:
    """Moving histogram of a batch's gaps, which `dynamic_soft_margin_loss` takes as `density`.

    Args:
        embeddings: `(a, d)` floats.
        labels: `(a,)` or `(a, 1)` integers, bool or strings.
        previous: `(num_bins + 1,)`, what this gave for earlier batches.
        momentum: weight of this batch against them, 0 ... 1.
        num_bins: bins of the gap's range -2 ... 2, where `previous` is None.

    Returns:
        `(num_bins + 1,)` shares that sum to 1, without a gradient; zeros, or `previous`, for a batch without
        gaps.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> gap_density(embeddings, np.array([0, 0, 1]), num_bins=4)
        array([0., 0., 1., 0., 0.])
    """
    xp = backend_of(embeddings, labels, previous)
    bins = num_bins if previous is None else xp.shape(previous)[0] - 1
    fixed = xp.stop_gradient(xp.asfloat(embeddings))
    with xp.full_precision(fixed):
        gaps, valid = _gaps(xp, _of_unit_rows(fixed, fixed), from_labels(labels))
    share = density_of(xp, *nodes(xp, gaps, 2.0, bins), valid, bins)
    if previous is None:
        return share
    return xp.where(xp.sum(share) > 0, (1 - momentum) * previous + momentum * share, previous)


def _of_unit_rows(x: Tensor, y: Tensor) -> Tensor:
    xp = backend_of(x, y)
    norms = [xp.sqrt(xp.sum(z * z, axis=1))[:, None] for z in (x, y)]
    x, y = (z / xp.where(norm > 0, norm, 1.0) for z, norm in zip((x, y), norms, strict=True))
    return pairwise(x, y, "euclidean")


def _gaps(xp: Backend, distances: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Each positive pair's distance less that of its ends' nearest negative, and whether there is one."""
    of_anchor = xp.min(distances, axis=1, where=pairs.negative)[:, None] + xp.zeros_like(distances)
    of_positive = xp.min(distances, axis=0, where=pairs.negative)[None, :] + xp.zeros_like(distances)
    nearest = xp.minimum(of_anchor, of_positive)
    valid = pairs.positive & (nearest < float("inf"))
    return xp.where(valid, distances - xp.where(valid, nearest, 0.0), 0.0), valid
