"""Contrastive losses: positives nearer than one margin, negatives farther than another."""

from collections.abc import Callable

from .. import distances as _distances
from ..backends import Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms, check_reduction, reduce_values, weighted
from ..rows import row_loss
from ._explicit import check_tuples, in_float, tuple_weights

__all__ = ["contrastive_loss", "pair_contrastive_loss"]


def contrastive_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    positive_margin: float = 0.0,
    negative_margin: float = 1.0,
    squared: bool = True,
    distance: str | Callable = "euclidean",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Contrastive loss over all pairs of a batch.

    .. math:: \frac{1}{|P|} \sum_{(a,p) \in P} \max(0, d(a, p) - m_+)^2
              + \frac{1}{|N|} \sum_{(a,n) \in N} \max(0, m_- - d(a, n))^2

    Positive and negative pairs are averaged apart, since negatives outnumber positives by the number of classes.

    Args:
        embeddings: `(a, d)` floats; half precision is computed in float32.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        positive_margin: positives nearer than this are left alone, in units of `distance`.
        negative_margin: negatives farther than this are left alone.
        squared: square the two hinges, as the paper does.
        distance: see `nearfar.distances.pairwise`. Distances grow: a cosine distance of 1 is a right angle.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"`: over all positive pairs plus over all negative pairs; `"active_mean"`: each over its
            pairs whose term is positive; `"sum"`; `"none"`: each anchor's two means added.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; a part without pairs is 0.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 3.0]])
        >>> float(contrastive_loss(embeddings, np.array([0, 0, 1])))
        0.25

    References:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
        https://doi.org/10.1109/CVPR.2006.100 (there with a factor 1/2, one mean over all pairs and no positive margin;
        for that on explicit pairs see `pair_contrastive_loss`).
    """

    def terms(distances: Tensor, pairs: Pairs) -> tuple[Terms, Terms]:
        xp = backend_of(distances)
        near, far = xp.relu(distances - positive_margin), xp.relu(negative_margin - distances)
        if squared:
            near, far = near * near, far * far
        return weighted(xp, near, pairs.positive), weighted(xp, far, pairs.negative)

    return row_loss(
        terms,
        embeddings,
        labels,
        distance=distance,
        references=references,
        reference_labels=reference_labels,
        weights=weights,
        mean_over=("positive", "negative"),
        reduction=reduction,
        block=block,
    )


def pair_contrastive_loss(
    lefts: Tensor,
    rights: Tensor,
    same: Tensor,
    *,
    margin: float = 1.0,
    hinge: str = "squared",
    distance: str | Callable | None = None,
    positive_distance: str | Callable | None = None,
    negative_distance: str | Callable | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Contrastive loss of explicit pairs.

    .. math:: \frac{1}{2N} \sum_i y_i d_i^2 + (1 - y_i) \max(0, m - d_i)^2

    **Polarity**: `same` is true (1) where the two are of the **same** class, as in TensorFlow Addons and most code. Hadsell
    et al. write Y = 0 for similar pairs: pass `~(Y == 1)`, i.e. `Y == 0`.

    Args:
        lefts: `(n, d)` floats.
        rights: `(n, d)` floats.
        same: `(n,)` or `(n, 1)` bool or integers 0/1: true means the same class. Floats are refused, since a float 0/1
            column is how the opposite polarity usually arrives: write `same=(y == 1)`.
        margin: negatives farther than this are left alone, in units of the distance.
        hinge: the negatives' term: `"squared"` is `max(0, m - d)^2`, `"of_square"` is `max(0, m - d^2)`.
        distance: a name of `nearfar.distances` or a function of `(n, d), (n, d)` to `(n,)`; None is Euclidean.
        positive_distance: another distance for positive pairs only.
        negative_distance: another distance for negative pairs only.
        weights: `(n,)` or `(n, 1)` floats, how much each pair counts: a weight of 2 is that pair given twice.
        reduction: `"mean"`, `"sum"`, `"none"`, or `"active_mean"` over pairs whose term is positive.

    Returns:
        Scalar, `(n,)` for `"none"`; 0 for no pairs.

    Raises:
        ValueError: shapes that do not fit together, an unknown hinge.
        TypeError: `same` is floats.

    Example:
        >>> import numpy as np
        >>> lefts, rights = np.zeros((2, 1)), np.array([[1.0], [0.5]])
        >>> float(pair_contrastive_loss(lefts, rights, np.array([True, False])))  # (0.5 * 1 + 0.5 * 0.25) / 2
        0.3125

    References:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
        https://doi.org/10.1109/CVPR.2006.100 (with the opposite polarity of Y). `"of_square"` is a form that texts quote;
        no paper is claimed for it.
    """
    xp = backend_of(lefts, rights, same)
    check_reduction(reduction)
    check_tuples(xp, lefts=lefts, rights=rights)
    if hinge not in ("squared", "of_square"):
        raise ValueError(f"hinge {hinge!r} is not known; expected 'squared' or 'of_square'.")
    same = _check_same(xp, same, lefts)
    x, y = in_float(xp, lefts, rights)
    usual = "euclidean" if distance is None else distance
    near = _distances.paired(x, y, positive_distance or usual)
    far = _distances.paired(x, y, negative_distance or usual)
    gap = xp.relu(margin - far) if hinge == "squared" else xp.relu(margin - far * far)
    pushed = gap * gap if hinge == "squared" else gap
    values = 0.5 * xp.where(same, near * near, pushed)
    return reduce_values(xp, values, tuple_weights(xp, weights, near, "lefts"), reduction)


def _check_same(xp, same: Tensor, lefts: Tensor) -> Tensor:
    if xp.is_floating(same):
        raise TypeError(
            f"same is of type {same.dtype}; expected bool, true where the two are of the same class: "
            "write same=(y == 1), or same=(y == 0) if your y marks different pairs with 1."
        )
    if len(same.shape) == 2 and same.shape[1] == 1:
        same = xp.reshape(same, (-1,))
    if len(same.shape) != 1 or same.shape[0] != lefts.shape[0]:
        raise ValueError(
            f"same has shape {tuple(same.shape)} but lefts has {lefts.shape[0]} rows; expected one value per pair."
        )
    return xp.astype(same, xp.asfloat(lefts)) != 0
