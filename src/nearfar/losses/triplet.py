"""Triplet losses: an anchor nearer to its positive than to its negative, by a margin."""

from collections.abc import Callable
from typing import Any

from .. import distances as _distances
from .. import mining as _mining
from ..backends import Tensor, backend_of
from ..distributed import everybody
from ..pairs import Pairs
from ..reduction import Terms, check_reduction, reduce_values
from ..rows import row_loss
from ..slopes import hinge, soft_margin
from ..swap import swapped_triplets
from ._explicit import triplet_distances, tuple_weights

__all__ = ["triplet_loss", "triplet_margin_loss"]


def triplet_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    margin: float = 0.2,
    mining: str | Callable = "semihard",
    distance: str | Callable = "euclidean",
    soft: bool = False,
    swap: bool = False,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Triplet loss with online mining: triplets are chosen among all that a batch holds.

    .. math:: \frac{1}{|T|} \sum_{(a,p,n) \in T} \max(0, m + d(a, p) - d(a, n))

    "All" and semi-hard triplets are counted, not listed: O(B^2 log B) time, memory of one block of rows, the exact value
    and gradient at any batch size.

    Args:
        embeddings: `(a, d)` floats, usually L2-normalised; half precision is computed in float32.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        margin: the gap `m`, in units of `distance`.
        mining: which triplets `T` count.
            `"all"`: every valid one.
            `"semihard"`: for each positive pair the nearest negative beyond the positive; where none is beyond it, the
            farthest negative (as TensorFlow Addons does).
            `"semihard_within_margin"`: every triplet with `d_ap < d_an < d_ap + margin` (FaceNet's text).
            `"hard"`: for each anchor the farthest positive and the nearest negative.
            `"easy_positive"`: the nearest positive and the nearest negative; `"easy_positive_semihard"`: the nearest
            positive and the nearest negative beyond it.
            `"distance_weighted"`: for each positive pair the expected loss over a negative drawn with the weights of
            `nearfar.mining.distance_weights` (the paper draws one; the mean has the same expectation, less noise).
            Or a function of distances `(a, r)` and `Pairs` to `nearfar.mining.Triplets`.
        distance: see `nearfar.distances.pairwise`.
        soft: `log(1 + exp(d_ap - d_an))` in place of the hinge; the margin then only bounds
            `"semihard_within_margin"`.
        swap: `min(d_an, d_pn)` in place of `d_an`; needs the positives' rows too, so it runs dense and `block` is unused.
        references: `(r, d)`, positives and negatives; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over valid terms (triplets for `"all"`, positive pairs for `"semihard"`, anchors for
            `"hard"`), `"active_mean"` over terms that are positive, `"sum"`, or `"none"`: each anchor's mean over its own.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where the batch has no valid triplet.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
        >>> float(triplet_loss(embeddings, np.array([0, 0, 1]), margin=2.0, mining="all"))  # (2+1-2 + 2+1-5**0.5) / 2
        0.88196...

    References:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", 2015,
        https://arxiv.org/abs/1503.03832, section 3.1 (it squares the distance: `distance="squared_euclidean"`).
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737 ("hard", "all", soft margin).
    """
    gap = soft_margin() if soft else hinge(margin)
    dimension = embeddings.shape[1] if len(embeddings.shape) == 2 else 0
    rest: dict[str, Any] = {
        "references": references,
        "reference_labels": reference_labels,
        "reduction": reduction,
        "weights": weights,
    }

    if swap:
        if callable(mining):
            raise ValueError(
                "swap=True came with a mining function; expected a name, since the loss must know each triplet."
            )
        _mining.resolve(mining)

        def swapped(distances: Tensor, pairs: Pairs, others: Tensor) -> Terms:
            xp = backend_of(distances)
            cross = _distances.pairwise(others, others, distance)
            return swapped_triplets(xp, distances, cross, pairs, gap, mining, dimension, margin)

        others = references
        if others is None:
            (others,), _ = everybody(backend_of(embeddings), embeddings)
        return row_loss(
            swapped, embeddings, labels, distance=distance, parameters=(others,), block=None, **rest
        )

    choose = _mining.resolve(mining)

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        return choose(backend_of(distances), distances, pairs, gap, dimension, margin)

    return row_loss(terms, embeddings, labels, distance=distance, block=block, **rest)


def triplet_margin_loss(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    margin: float = 1.0,
    distance: str | Callable | None = None,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    tightness: float = 0.0,
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Hinge on explicit triplets; the same as torch's `TripletMarginLoss` and `TripletMarginWithDistanceLoss`.

    .. math:: \frac{1}{N} \sum_i \max(0, m + d(a_i, p_i) - d(a_i, n_i))

    Args:
        anchors: `(n, d)` floats.
        positives: `(n, d)`, row by row of the anchor's class.
        negatives: `(n, d)`, row by row of another class.
        margin: the gap `m`, in units of the distance.
        distance: a name of `nearfar.distances`, or a function of `(n, d), (n, d)` to `(n,)`; None is torch's
            `PairwiseDistance`, the `p`-norm of `x - y + eps`.
        p: order of that norm, at least 1.
        eps: added to each difference; keeps the slope finite where two rows are equal.
        swap: `min(d(a, n), d(p, n))` in place of `d(a, n)`.
        tightness: `alpha` of a term `alpha (d(a, p) + d(a, n))` outside the hinge, which keeps all distances small;
            torch has none.
        weights: `(n,)` or `(n, 1)` floats, how much each triplet counts: a weight of 2 is that triplet given twice.
        reduction: `"mean"`, `"sum"`, `"none"`, or `"active_mean"` over triplets whose loss is positive.

    Returns:
        Scalar, `(n,)` for `"none"`; 0 for no triplets (torch gives NaN).

    Raises:
        ValueError: shapes that differ, or an unknown name.

    Example:
        >>> import numpy as np
        >>> a, p, n = np.zeros((1, 2)), np.array([[0.0, 1.0]]), np.array([[1.5, 0.0]])
        >>> float(triplet_margin_loss(a, p, n, distance="euclidean"))
        0.5

    References:
        Balntas, Riba, Ponsa, Mikolajczyk, "Learning local feature descriptors with triplets and shallow convolutional
        neural networks", BMVC 2016, http://www.bmva.org/bmvc/2016/papers/paper119/index.html (swap). FaceNet (see
        `triplet_loss`) has squared distances: `distance="squared_euclidean"`.
    """
    xp = backend_of(anchors, positives, negatives)
    check_reduction(reduction)
    near, far, cross = triplet_distances(xp, anchors, positives, negatives, distance, p, eps)
    nearest = xp.minimum(far, cross()) if swap else far
    values = xp.relu(margin + near - nearest)
    values = values + tightness * (near + far) if tightness else values
    return reduce_values(xp, values, tuple_weights(xp, weights, near, "anchors"), reduction)
