"""Which pairs of a batch count: functions of distances `(a, r)` and `Pairs` to fewer `Pairs`.

Every batch loss takes a `Pairs` in place of labels, so that a mining composes with all of them; many pair
losses also take its name or function as `mining=`. A mining sees the loss's own distances, in the loss's
units. Those that need the whole batch see one process's anchors inside `nearfar.distributed.sharded`.
"""

import math
from collections.abc import Callable

from .backends import Backend, Tensor, backend_of
from .pairs import Pairs
from .slopes import over_positives

__all__ = [
    "PAIR_MININGS",
    "PairMining",
    "angular",
    "hardest_fraction",
    "has_both",
    "multi_similarity",
    "pair_margin",
    "resolve",
    "uniform_histogram",
]

PairMining = Callable[[Tensor, Pairs], Pairs]


def multi_similarity(distances: Tensor, pairs: Pairs, *, epsilon: float = 0.1) -> Pairs:
    """Negatives nearer than the anchor's farthest positive, and positives farther than its nearest negative,
    with slack.

    Args:
        distances: `(a, r)`; 1 - cosine in the paper.
        pairs: masks `(a, r)`.
        epsilon: slack, in units of the distance.

    Returns:
        Masks `(a, r)`; an anchor without a positive or without a negative keeps nothing.

    Example:
        >>> import numpy as np
        >>> masks = Pairs(np.array([[True, True, False, False]]), np.array([[False, False, True, True]]))
        >>> multi_similarity(np.array([[0.1, 0.6, 0.5, 0.9]]), masks).positive.tolist()
        [[False, True, False, False]]

    References:
        Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning", 2019,
        https://arxiv.org/abs/1904.06627 (the mining step).
    """
    xp = backend_of(distances, *pairs)
    farthest = xp.max(distances, axis=1, where=pairs.positive)[:, None]
    nearest = xp.min(distances, axis=1, where=pairs.negative)[:, None]
    return Pairs(
        pairs.positive & (distances > nearest - epsilon),
        pairs.negative & (distances < farthest + epsilon),
    )


def pair_margin(
    distances: Tensor, pairs: Pairs, *, positive_margin: float = 0.2, negative_margin: float = 0.8
) -> Pairs:
    """Positives farther than one distance and negatives nearer than another.

    Args:
        distances: `(a, r)`.
        pairs: masks `(a, r)`.
        positive_margin: positives up to this distance are left out.
        negative_margin: negatives from this distance on are left out.

    Returns:
        Masks `(a, r)`.

    Example:
        >>> import numpy as np
        >>> masks = Pairs(np.array([[True, True, False]]), np.array([[False, False, True]]))
        >>> pair_margin(np.array([[0.1, 0.6, 0.9]]), masks).positive.tolist()
        [[False, True, False]]
    """
    return Pairs(
        pairs.positive & (distances > positive_margin),
        pairs.negative & (distances < negative_margin),
    )


def hardest_fraction(distances: Tensor, pairs: Pairs, *, fraction: float = 0.5) -> Pairs:
    """The farthest positive pairs and the nearest negative pairs of the whole batch, a fraction of each.

    Args:
        distances: `(a, r)` of the whole batch: a loss with this mining runs dense.
        pairs: masks `(a, r)`.
        fraction: how much of the positive pairs, and of the negative pairs, is kept, 0 ... 1, rounded up;
            pairs as hard as the last kept one stay too.

    Returns:
        Masks `(a, r)`.

    Raises:
        ValueError: a fraction outside 0 ... 1.

    Example:
        >>> import numpy as np
        >>> masks = Pairs(np.array([[True, True, False]]), np.array([[False, False, True]]))
        >>> hardest_fraction(np.array([[0.1, 0.6, 0.9]]), masks).positive.tolist()
        [[False, True, False]]

    References:
        Yuan, Yang, Zhang, "Hard-Aware Deeply Cascaded Embedding", 2017, https://arxiv.org/abs/1611.05720
        (there one fraction per model of a cascade).
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction is {fraction}; expected 0 ... 1.")
    xp = backend_of(distances, *pairs)
    return Pairs(
        pairs.positive & _among_first(xp, -distances, pairs.positive, fraction),
        pairs.negative & _among_first(xp, distances, pairs.negative, fraction),
    )


def _among_first(xp: Backend, values: Tensor, where: Tensor, fraction: float) -> Tensor:
    """Whether a value has fewer smaller ones in `where`, over the whole table, than the fraction asks for."""
    values = xp.where(where, values, float("inf"))
    flat = xp.reshape(values, (1, -1))
    smaller = xp.astype(xp.searchsorted(xp.sort(flat), flat), flat)
    wanted = fraction * xp.sum(xp.astype(where, flat))
    return xp.reshape(smaller, xp.shape(values)) < wanted * (1 - 1e-6)  # 0.3 x 10 comes out above 3


def uniform_histogram(
    distances: Tensor,
    pairs: Pairs,
    *,
    num_bins: int = 100,
    positives_per_bin: int = 10,
    negatives_per_bin: int = 10,
) -> Pairs:
    """As many pairs from each bin of distance, so that all distances are seen alike.

    pytorch-metric-learning's miner of this name draws at random and with repetition; this one takes pairs
    evenly spaced in each bin's order of distance, so that it needs no random numbers.

    Args:
        distances: `(a, r)` of the whole batch: a loss with this mining runs dense.
        pairs: masks `(a, r)`.
        num_bins: bins from the smallest to the largest distance, for positives and for negatives apart.
        positives_per_bin: positive pairs that are kept of each bin, or all if there are fewer.
        negatives_per_bin: negative pairs likewise.

    Returns:
        Masks `(a, r)`.

    Example:
        >>> import numpy as np
        >>> distances = np.array([[0.0, 0.1, 0.2, 0.3, 1.0]])
        >>> masks = Pairs(distances >= 0, distances < 0)
        >>> uniform_histogram(distances, masks, num_bins=2, positives_per_bin=2).positive.tolist()
        [[False, True, False, True, True]]
    """
    xp = backend_of(distances, *pairs)
    return Pairs(
        pairs.positive & _spread(xp, distances, pairs.positive, num_bins, positives_per_bin),
        pairs.negative & _spread(xp, distances, pairs.negative, num_bins, negatives_per_bin),
    )


def _spread(xp: Backend, distances: Tensor, where: Tensor, num_bins: int, per_bin: int) -> Tensor:
    low, high = xp.min(distances, where=where), xp.max(distances, where=where)
    width = xp.where(high > low, high - low, 1.0)
    scaled = xp.where(where, (distances - xp.where(where, low, 0.0)) / width, 0.0)
    index = xp.arange(1, where)
    bins = _floor(xp, xp.minimum(scaled * num_bins, xp.full_like(scaled, num_bins - 0.5)), index)
    bins = xp.reshape(xp.where(where, bins, float(num_bins)), (1, -1))
    order = xp.argsort(xp.reshape(xp.where(where, distances, float("inf")), (1, -1)))
    in_order = xp.take_along_rows(bins, order)
    first = xp.astype(xp.searchsorted(in_order, in_order), bins)
    count = xp.astype(xp.searchsorted(in_order, in_order, side="right"), bins) - first
    place = xp.cumulative_sum(xp.full_like(bins, 1.0)) - first  # 1 ... count within its bin
    share = [_floor(xp, k * per_bin / count, index) for k in (place, place - 1)]
    chosen = xp.add_along_rows(xp.zeros_like(bins), order, share[0] - share[1])
    return xp.reshape(chosen, xp.shape(distances)) > 0


def _floor(xp: Backend, x: Tensor, index: Tensor) -> Tensor:
    return xp.astype(xp.astype(x, index), x)  # of numbers that are not negative


def angular(distances: Tensor, pairs: Pairs, *, angle: float = 20.0) -> Pairs:
    """Pairs of triplets whose positive pair is seen from the negative under a large angle.

    The angle of a triplet is `arctan(d_ap / (2 |n - (a + p) / 2|))`. A positive pair is kept if one of its
    triplets has a larger one than `angle`, a negative pair likewise.

    Args:
        distances: `(a, a)` Euclidean distances of a batch with itself: it needs the positives' distances too,
            so a loss with this mining runs dense and takes no references.
        pairs: masks `(a, a)`.
        angle: in degrees, 0 < angle < 90.

    Returns:
        Masks `(a, a)`.

    Raises:
        ValueError: another angle, or distances that are not square.

    Example:
        >>> import numpy as np
        >>> x = np.array([[0.0], [1.0], [0.5], [9.0]])  # the third is between the first two
        >>> masks = Pairs(np.eye(4)[[1, 0, 3, 2]] > 0, np.kron(1 - np.eye(2), np.ones((2, 2))) > 0)
        >>> angular(abs(x - x.T), masks, angle=45.0).negative[0].tolist()
        [False, False, True, False]

    References:
        Wang et al., "Deep Metric Learning with Angular Loss", 2017, https://arxiv.org/abs/1708.01682 (the
        angle; the miner is pytorch-metric-learning's).
    """
    if not 0 < angle < 90:
        raise ValueError(f"angle is {angle} degrees; expected 0 < angle < 90.")
    if distances.shape[0] != distances.shape[1]:
        raise ValueError(
            f"distances has shape {tuple(distances.shape)}; expected those of a batch with itself, (a, a): "
            "angular mining takes neither references nor a batch that processes share."
        )
    xp = backend_of(distances, *pairs)
    squares = xp.stop_gradient(distances * distances)
    tangent = math.tan(math.radians(angle)) ** 2
    # |n - (a + p) / 2|^2 = d_an^2 / 2 + d_pn^2 / 2 - d_ap^2 / 4, hence d_an^2 + d_pn^2 < factor d_ap^2
    factor = (1 + tangent) / (2 * tangent)
    negatives = xp.where(pairs.negative, squares, float("inf"))
    positives = xp.where(pairs.positive, squares, float("inf"))

    def step(square: Tensor, column: Tensor, negatives: Tensor, hits: Tensor) -> tuple:
        hit = xp.astype(negatives + xp.take(squares, column) < factor * square[:, None], hits)
        return (hits + hit,), xp.sum(hit, axis=1)

    most = int(xp.max(xp.count(pairs.positive, squares))) if xp.readable(squares) else None
    (hits,) = over_positives(xp, positives, negatives, step, (xp.zeros_like(squares),), most)
    return Pairs(pairs.positive & (hits > 0), pairs.negative & (hits > 0))


def has_both(pairs: Pairs) -> Tensor:
    """`(a,)` bool: which anchors have a positive and a negative."""
    xp = backend_of(*pairs)
    return xp.any(pairs.positive, axis=1) & xp.any(pairs.negative, axis=1)


_MININGS: dict[str, PairMining] = {
    "multi_similarity": multi_similarity,
    "pair_margin": pair_margin,
    "hardest_fraction": hardest_fraction,
    "uniform_histogram": uniform_histogram,
    "angular": angular,
}
_WHOLE_BATCH = (hardest_fraction, uniform_histogram, angular)
PAIR_MININGS = tuple(_MININGS)


def resolve(mining: str | PairMining | None, block: int | str | None) -> tuple[PairMining, int | str | None]:
    """A mining as a function, and the blocks it can run in: some must see the whole batch.

    Args:
        mining: a name of `PAIR_MININGS`, a function (options are set with `functools.partial`), or None for
            all pairs. A function of one's own must look at each row alone, or `block` be None.
        block: what the loss was asked for.

    Returns:
        The function, and `block` or None.

    Raises:
        ValueError: an unknown name.
    """
    if mining is None:
        return lambda distances, pairs: pairs, block
    if not callable(mining):
        if mining not in _MININGS:
            known = ", ".join(PAIR_MININGS)
            raise ValueError(f"mining {mining!r} is not known; expected one of {known}, a function, or None.")
        mining = _MININGS[mining]
    return mining, None if getattr(mining, "func", mining) in _WHOLE_BATCH else block
