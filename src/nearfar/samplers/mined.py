"""Triplets mined over a whole data set from its embeddings, in blocks of rows."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import distances
from ..backends import backend_of
from .classes import Classes, as_numpy, grouped
from .tuples import SampledTriplets

__all__ = ["MININGS", "mine_triplets"]

MININGS = ("hard", "semihard", "semihard_within_margin", "easy_positive", "easy_positive_semihard")
_BLOCK_ELEMENTS = 2**23


def mine_triplets(
    embeddings: Any,
    labels: Any,
    *,
    mining: str = "hard",
    margin: float = 0.2,
    distance: str | Callable[[np.ndarray, np.ndarray], np.ndarray] = "euclidean",
    positives_per_anchor: int = 1,
    negatives_per_anchor: int = 1,
    skip_hardest: int = 0,
    block: int | None = None,
    seed: int = 0,
) -> SampledTriplets:
    """Triplets of every row against the whole data set, from embeddings of the moment ("offline mining").

    * `"hard"`: the farthest positives with the nearest negatives.
    * `"semihard"`: random positives, each with the nearest negatives beyond it; where none is beyond, the
      farthest one.
    * `"semihard_within_margin"`: the same, but only negatives nearer than the positive's distance + `margin`,
      and none where there is none.
    * `"easy_positive"`, `"easy_positive_semihard"`: the nearest positives with the nearest negatives, or with
      the nearest ones beyond the positive; where none is beyond, the nearest of all.

    Over a whole data set the hardest triplets are often wrongly labelled samples; `skip_hardest` passes over
    them.

    Args:
        embeddings: `(n, d)` floats of any framework. float64 is compared in float64, which takes twice the
            time and memory; anything else in float32.
        labels: `(n,)` or `(n, 1)`, integers or strings.
        mining: one of the above.
        margin: in units of `distance`.
        distance: a name, or a function of `(a, d), (r, d)` arrays to `(a, r)`; see
            `nearfar.distances.pairwise`.
        positives_per_anchor: how many positives an anchor takes, if it has so many.
        negatives_per_anchor: how many negatives each of those takes, if there are so many.
        skip_hardest: so many of the nearest eligible negatives are passed over, and with `"hard"` so many of
            the farthest positives too; where no others are left, the least hard one stands.
        block: anchors compared at a time; by default as many as keep the work in some 200 MB.
        seed: of the random positives, 0 or more.

    Returns:
        `(anchor, positive, negative)` row numbers, `(t,)` int64 each, ordered by anchor, then hardest first.
        A row without a positive or without a negative is no anchor; there may be no triplets at all.

    Raises:
        ValueError: shapes that do not fit, an unknown name, numbers out of range, or embeddings that are not
            finite.

    Example:
        >>> import numpy as np
        >>> from nearfar.samplers import mine_triplets
        >>> anchor, positive, negative = mine_triplets(np.array([[0.0], [1.0], [3.0]]), [0, 0, 1])
        >>> list(zip(anchor.tolist(), positive.tolist(), negative.tolist()))
        [(0, 1, 2), (1, 0, 2)]

    References:
        Schroff, Kalenichenko, Philbin, "FaceNet", 2015, https://arxiv.org/abs/1503.03832, section 3.2 (hard
        and semi-hard). Xuan, Stylianou, Pless, "Improved Embeddings with Easy Positive Triplet Mining", 2020,
        https://arxiv.org/abs/1904.04370 (easy positives).
    """
    x, classes = as_numpy(embeddings), grouped(labels)
    _check(x, classes, mining, positives_per_anchor, negatives_per_anchor, skip_hardest, block)
    kind, xp = distances.resolve(distance), backend_of(x)
    x = xp.asfloat(x)[classes.rows]  # in class order the positives of a row are a slice
    if not len(x):
        return SampledTriplets(*np.empty((3, 0), np.int64))
    anchors, references = kind.prepare(xp, x, x)
    width = len(x) * (max(1, x.shape[1]) if kind.broadcasts else 1)
    size = block or max(1, _BLOCK_ELEMENTS // width)
    rng = np.random.default_rng(seed)
    found = []
    for start in range(0, len(x), size):
        values = kind.compare(xp, anchors[start : start + size], references)
        if callable(distance):  # it is written into, and infinity must fit
            values = np.array(values, np.result_type(values, np.float32))
        positives, nearness = _take_positives(
            values, start, classes, mining, positives_per_anchor, skip_hardest if mining == "hard" else 0, rng
        )
        negatives = _negatives(values, nearness, mining, margin, negatives_per_anchor, skip_hardest)
        found.append(_listed(start, positives, negatives))
    triplets = classes.rows[np.concatenate(found, axis=1)]
    return SampledTriplets(*triplets[:, np.argsort(triplets[0], kind="stable")])


def _check(
    x: np.ndarray, classes: Classes, mining: str, positives: int, negatives: int, skip: int, block: int | None
) -> None:
    if x.ndim != 2 or len(x) != len(classes.rows):
        raise ValueError(
            f"embeddings has shape {x.shape} and labels has {len(classes.rows)} rows; expected (n, d) and "
            "(n,)."
        )
    if mining not in MININGS:
        raise ValueError(f"mining {mining!r} is not known; expected one of {', '.join(MININGS)}.")
    if min(positives, negatives, 1 if block is None else block) < 1 or skip < 0:
        raise ValueError(
            f"positives_per_anchor is {positives}, negatives_per_anchor {negatives}, block {block} and "
            f"skip_hardest {skip}; expected 1 or more, and 0 or more for skip_hardest."
        )
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        raise ValueError(f"row {int(finite.argmin())} of embeddings is not finite; expected finite numbers.")


def _take_positives(
    values: np.ndarray,
    start: int,
    classes: Classes,
    mining: str,
    count: int,
    skip: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    # (b, k) positives and their distances, -1 and nan where there are none; afterwards `values` is inf at
    # the whole class
    positives = np.full((len(values), count), -1)
    nearness = np.full((len(values), count), np.nan, values.dtype)
    first = np.searchsorted(classes.starts, start, side="right") - 1
    for begin, size in zip(classes.starts[first:], classes.counts[first:], strict=True):
        if begin >= start + len(values):
            break
        rows = slice(max(begin - start, 0), min(begin + size - start, len(values)))
        own = values[rows, begin : begin + size]
        itself = np.arange(rows.start, rows.stop) + start - begin
        kept = min(count, size - 1)
        if kept:
            if mining.startswith("semihard"):
                chosen = _others(itself, size, kept, rng)
            else:
                sign = -1 if mining == "hard" else 1
                ranked = own if sign == 1 else -own
                ranked[np.arange(len(own)), itself] = np.inf
                chosen = _smallest(ranked, kept, skip)
            taken = np.where(chosen >= 0, np.take_along_axis(own, np.maximum(chosen, 0), axis=1), np.nan)
            positives[rows, : chosen.shape[1]] = np.where(chosen >= 0, chosen + begin, -1)
            nearness[rows, : chosen.shape[1]] = taken
        own[:] = np.inf
    return positives, nearness


def _others(itself: np.ndarray, size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    # (b, count) different numbers below `size`, none the row itself: each is drawn among those left, then
    # counted past the ones already taken
    taken = itself[:, None]
    for _ in range(count):
        drawn = rng.integers(size - taken.shape[1], size=len(itself))
        for earlier in np.sort(taken, axis=1).T:
            drawn += drawn >= earlier
        taken = np.concatenate([taken, drawn[:, None]], axis=1)
    return taken[:, 1:]


def _negatives(
    values: np.ndarray, nearness: np.ndarray, mining: str, margin: float, count: int, skip: int
) -> np.ndarray:
    # (b, k, m) negatives of each of the k positives, -1 where there are none; `values` is inf at positives
    if mining in ("hard", "easy_positive"):
        return np.repeat(_smallest(values, count, skip)[:, None], nearness.shape[1], axis=1)
    each = []
    for near in nearness.T:
        beyond = values > near[:, None]
        if mining == "semihard_within_margin":
            beyond &= values < (near + margin)[:, None]
        chosen = _smallest(np.where(beyond, values, np.inf), count, skip)
        if mining == "semihard":
            none = np.flatnonzero(chosen[:, 0] < 0)
            farther = np.where(np.isinf(values[none]), -np.inf, values[none])
            at = farther.argmax(axis=1)
            chosen[none, 0] = np.where(farther[np.arange(len(none)), at] > -np.inf, at, -1)
        elif mining == "easy_positive_semihard":
            chosen[:, 0] = np.where(chosen[:, 0] < 0, _smallest(values, 1, skip)[:, 0], chosen[:, 0])
        each.append(chosen)
    return np.stack(each, axis=1)


def _smallest(values: np.ndarray, count: int, skip: int) -> np.ndarray:
    # (b, count) places of the smallest finite values, ascending, after the first `skip`; else -1
    wanted = min(count + skip, values.shape[1])
    if wanted == 1:
        places = values.argmin(axis=1)[:, None]
    else:
        places = np.argpartition(values, wanted - 1, axis=1)[:, :wanted]
        places.sort(axis=1)  # so that ties go to the first row
    found = np.take_along_axis(values, places, axis=1)
    order = np.argsort(found, axis=1, kind="stable")
    places, found = np.take_along_axis(places, order, axis=1), np.take_along_axis(found, order, axis=1)
    places = np.where(np.isinf(found), -1, places)
    shift = np.minimum(skip, np.maximum(np.isfinite(found).sum(axis=1) - 1, 0))
    columns = shift[:, None] + np.arange(min(count, wanted))
    inside = columns < wanted
    return np.where(inside, np.take_along_axis(places, np.minimum(columns, wanted - 1), axis=1), -1)


def _listed(start: int, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    # (3, t) of the triplets that exist
    shape = negatives.shape
    anchor = np.broadcast_to(start + np.arange(shape[0])[:, None, None], shape)
    positive = np.broadcast_to(positives[:, :, None], shape)
    exists = (positive >= 0) & (negatives >= 0)
    return np.stack([anchor[exists], positive[exists], negatives[exists]]).astype(np.int64)
