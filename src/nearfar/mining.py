"""Which triplets of each anchor count, as distances of fixed shape: a triplet that does not exist is marked, not dropped.

The minings that take many triplets of an anchor (`"all"`, `"semihard"`, ...) are in `slopes`, which never lists them.
Those that choose pairs, for any loss, are in `pair_mining` and offered here too.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .backends import Backend, Tensor, backend_of
from .pair_mining import angular, hardest_fraction, multi_similarity, pair_margin, uniform_histogram
from .pairs import Pairs
from .reduction import Terms, weighted
from .slopes import Gap, all_triplets, semihard, weighted_negatives

__all__ = [
    "MININGS",
    "Triplets",
    "angular",
    "distance_weights",
    "easy_positive",
    "hard",
    "hardest_fraction",
    "multi_similarity",
    "pair_margin",
    "resolve",
    "triplet_difficulty",
    "uniform_histogram",
]


class Triplets(NamedTuple):
    """Chosen triplets, `(a,)` or `(a, k)` each. A mining function returns this."""

    positive: Tensor  #: distance from the anchor to its positive
    negative: Tensor  #: distance from the anchor to its negative
    valid: Tensor  #: bool; False where the anchor lacks one of the two


def hard(distances: Tensor, pairs: Pairs) -> Triplets:
    """Farthest positive and nearest negative of every anchor ("batch hard").

    Args:
        distances: `(a, r)`.
        pairs: masks `(a, r)`.

    Returns:
        Triplets of shape `(a,)`.

    Example:
        >>> import numpy as np
        >>> from nearfar import pairs
        >>> distances = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]])
        >>> hard(distances, pairs.from_labels(np.array([0, 0, 1]))).negative[:2]
        array([3., 2.])

    References:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737, section 2 ("batch hard").
    """
    xp = backend_of(distances, *pairs)
    return _exists(
        xp, xp.max(distances, axis=1, where=pairs.positive), _nearest(xp, distances, pairs.negative), pairs
    )


def easy_positive(distances: Tensor, pairs: Pairs, *, negatives: str = "hard") -> Triplets:
    """Nearest positive of every anchor, so that a class may fall into several clusters.

    Args:
        distances: `(a, r)`.
        pairs: masks `(a, r)`.
        negatives: `"hard"`, the nearest negative, or `"semihard"`, the nearest one beyond that positive (the nearest of
            all where none is beyond).

    Returns:
        Triplets of shape `(a,)`.

    Example:
        >>> import numpy as np
        >>> from nearfar import pairs
        >>> distances = np.array([[0.0, 1.0, 2.0, 0.5]])
        >>> masks = pairs.Pairs(np.array([[False, True, True, False]]), np.array([[False, False, False, True]]))
        >>> easy_positive(distances, masks).positive
        array([1.])

    References:
        Xuan, Stylianou, Pless, "Improved Embeddings with Easy Positive Triplet Mining", 2020,
        https://arxiv.org/abs/1904.04370 (EPHN and EPSHN).
    """
    xp = backend_of(distances, *pairs)
    positive = _nearest(xp, distances, pairs.positive)
    negative = _nearest(xp, distances, pairs.negative)
    if negatives == "semihard":
        beyond = _nearest(xp, distances, pairs.negative & (distances > positive[:, None]))
        negative = xp.where(beyond < math.inf, beyond, negative)
    elif negatives != "hard":
        raise ValueError(f"negatives is {negatives!r}; expected 'hard' or 'semihard'.")
    return _exists(xp, positive, negative, pairs)


def _nearest(xp: Backend, distances: Tensor, where: Tensor) -> Tensor:
    return xp.min(distances, axis=1, where=where)


def _exists(xp: Backend, positive: Tensor, negative: Tensor, pairs: Pairs) -> Triplets:
    valid = xp.any(pairs.positive, axis=1) & xp.any(pairs.negative, axis=1)
    return Triplets(xp.where(valid, positive, 0.0), xp.where(valid, negative, 0.0), valid)


def distance_weights(
    distances: Tensor, pairs: Pairs, dimension: int, *, cutoff: float = 0.5, largest: float = 1.4
) -> Tensor:
    """How likely each negative is drawn so that drawn distances are spread evenly, for rows on the unit sphere.

    The weight is the inverse of the density `q(d) ~ d^(n-2) (1 - d^2/4)^((n-3)/2)` of distances between uniform points of
    the sphere; distances below `cutoff` weigh as at `cutoff`.

    Args:
        distances: `(a, r)` Euclidean distances of normalised rows, 0 ... 2.
        pairs: masks `(a, r)`.
        dimension: `n`, the length of the rows.
        cutoff: smallest distance that is told apart.
        largest: negatives farther than this are never drawn (their loss would be 0).

    Returns:
        `(a, r)` weights; each row sums to 1, or to 0 where it has no negative nearer than `largest`.

    References:
        Wu, Manmatha, Smola, Krähenbühl, "Sampling Matters in Deep Embedding Learning", 2017,
        https://arxiv.org/abs/1706.07567, section 4.1 ("distance weighted sampling").
    """
    xp = backend_of(distances, *pairs)
    near = pairs.negative & (distances < largest)
    d = xp.where(distances > cutoff, distances, cutoff)
    d = xp.where(near, d, cutoff)
    log_weight = (2.0 - dimension) * xp.log(d) - (dimension - 3) / 2 * xp.log(1 - 0.25 * d * d)
    top = xp.max(log_weight, axis=1, where=near)
    weight = xp.where(near, xp.exp(log_weight - xp.where(top > -math.inf, top, 0.0)[:, None]), 0.0)
    total = xp.sum(weight, axis=1)
    return xp.stop_gradient(weight / xp.where(total > 0, total, 1.0)[:, None])


def _chosen(mining: Callable[[Tensor, Pairs], Triplets]) -> Callable:
    def terms(xp: Backend, distances: Tensor, pairs: Pairs, gap: Gap, dimension: int, margin: float) -> Terms:
        triplets = mining(distances, pairs)
        return weighted(xp, gap.of(xp, triplets.positive, triplets.negative), triplets.valid)

    return terms


def _easy_positive_semihard(distances: Tensor, pairs: Pairs) -> Triplets:
    return easy_positive(distances, pairs, negatives="semihard")


def _distance_weighted(
    xp: Backend, distances: Tensor, pairs: Pairs, gap: Gap, dimension: int, margin: float
) -> Terms:
    fixed = xp.stop_gradient(distances)
    return weighted_negatives(xp, distances, pairs, gap, distance_weights(fixed, pairs, dimension))


_MININGS: dict[str, Callable] = {
    "all": lambda xp, distances, pairs, gap, *_: all_triplets(xp, distances, pairs, gap),
    "hard": _chosen(hard),
    "semihard": lambda xp, distances, pairs, gap, *_: semihard(xp, distances, pairs, gap),
    "semihard_within_margin": lambda xp, distances, pairs, gap, _, margin: all_triplets(
        xp, distances, pairs, gap, within=margin
    ),
    "easy_positive": _chosen(easy_positive),
    "easy_positive_semihard": _chosen(_easy_positive_semihard),
    "distance_weighted": _distance_weighted,
}
MININGS = tuple(_MININGS)


def resolve(mining: str | Callable[[Tensor, Pairs], Triplets]) -> Callable[..., Terms]:
    """Terms of each anchor's chosen triplets, as `(xp, distances, pairs, gap, dimension, margin)` to `Terms`."""
    if callable(mining):
        return _chosen(mining)
    if mining not in _MININGS:
        raise ValueError(
            f"mining {mining!r} is not known; expected one of {', '.join(MININGS)}, or a function."
        )
    return _MININGS[mining]


def triplet_difficulty(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    margin: float = 1.0,
    distance: str | Callable | None = None,
    p: float = 2.0,
    eps: float = 1e-6,
) -> Tensor:
    """Whether each explicit triplet is easy, semi-hard or hard.

    Args:
        anchors: `(n, d)` floats.
        positives: `(n, d)`, row by row of the anchor's class.
        negatives: `(n, d)`, row by row of another class.
        margin: `m`, in units of the distance.
        distance: as in `nearfar.losses.triplet_margin_loss`, and so are `p` and `eps`.
        p: order of the norm where `distance` is None.
        eps: added to each difference there.

    Returns:
        `(n,)` integers. 0, easy: `d(a, n) >= d(a, p) + m`, the loss is 0. 1, semi-hard: the negative is farther than
        the positive, by less than the margin. 2, hard: it is not farther.

    Raises:
        ValueError: shapes that differ, or an unknown name.

    Example:
        >>> import numpy as np
        >>> anchors, positives = np.zeros((3, 1)), np.ones((3, 1))
        >>> triplet_difficulty(anchors, positives, np.array([[3.0], [1.5], [0.5]]), margin=1.0)
        array([0, 1, 2])

    References:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", 2015,
        https://arxiv.org/abs/1503.03832, section 3.2 (semi-hard).
    """
    from .losses._explicit import triplet_distances  # the losses import this module

    xp = backend_of(anchors, positives, negatives)
    near, far, _ = triplet_distances(xp, anchors, positives, negatives, distance, p, eps)
    code = xp.where(far > near, xp.where(near + margin - far > 0, xp.full_like(near, 1.0), 0.0), 2.0)
    return xp.astype(code, xp.arange(1, code))
