"""Centroid triplet loss: an anchor nearer to its class's centre than to the other classes' centres."""

from collections.abc import Callable

from ..backends import Tensor, backend_of
from ..distances import paired
from ..distributed import whole_batch
from ..pairs import Pairs, from_labels
from ..reduction import Terms, weighted
from ..rows import row_loss

__all__ = ["centroid_triplet_loss"]


@whole_batch("embeddings", "labels", "weights")
def centroid_triplet_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    mining: str = "all",
    distance: str | Callable = "squared_euclidean",
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Centroid triplet loss: an anchor nearer to the centroid of its class than to those of others, by a margin.

    .. math:: \frac{1}{|T|} \sum_{(a,c) \in T} \max(0, m + d(a, \bar x_{y_a \setminus a}) - d(a, \bar x_c))

    The anchor itself is left out of its class's centroid. Centroids need all rows of a class, so it runs
    dense.

    Args:
        embeddings: `(a, d)` floats.
        labels: `(a,)` or `(a, 1)` integers, bool or strings.
        margin: the gap `m`, in units of `distance`.
        mining: `"all"` other classes of each anchor, or `"hard"`, the nearest other centroid alone, as the
            authors' code does.
        distance: a name of `nearfar.distances`, or a function that takes `(a, d), (r, d)` to `(a, r)` and
            `(n, d), (n, d)` to `(n,)`. The paper squares the Euclidean distance.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over all pairs of an anchor with a second sample of its class and another class
            (`"hard"`: over such anchors), `"active_mean"` over those whose term is positive, `"sum"`, or
            `"none"`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no such pair exists.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> labels = np.array([0, 0, 1])
        >>> round(float(centroid_triplet_loss(embeddings, labels)), 6)  # 0.2 + 1 - 1, and 0.2 + 1 - 2 < 0
        0.1

    References:
        Wieczorek, Rychalska, Dąbrowski, "On the Unreasonable Effectiveness of Centroids in Image Retrieval",
        2021, https://arxiv.org/abs/2104.13643.
    """
    if mining not in ("all", "hard"):
        raise ValueError(f"mining {mining!r} is not known; expected 'all' or 'hard'.")
    xp = backend_of(embeddings, labels)
    x, pairs = xp.asfloat(embeddings), from_labels(labels)
    count = xp.count(pairs.positive, x)[:, None]
    with xp.full_precision(x):
        others = xp.astype(pairs.positive, x) @ x
        centroids = (others + x) / (count + 1)
        near = paired(x, others / xp.where(count > 0, count, 1.0), distance)
    rows = xp.arange(xp.shape(x)[0], x)
    first = ~xp.any(pairs.positive & (rows[None, :] < rows[:, None]), axis=1)  # one row stands for its class
    classes = Pairs(pairs.positive, pairs.negative & first[None, :])

    def terms(distances: Tensor, classes: Pairs, near: Tensor) -> Terms:
        own = xp.any(classes.positive, axis=1)
        if mining == "hard":
            far = xp.min(distances, axis=1, where=classes.negative)
            own = own & xp.any(classes.negative, axis=1)
            return weighted(xp, xp.relu(margin + near - xp.where(own, far, 0.0)), own)
        return weighted(xp, xp.relu(margin + near[:, None] - distances), classes.negative & own[:, None])

    return row_loss(
        terms,
        x,
        classes,
        distance=distance,
        references=centroids,
        weights=weights,
        reduction=reduction,
        block=None,
        per_anchor=(near,),
    )
