"""Verification: is a pair of the same class, decided by a threshold on its distance?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array, as_codes, as_embeddings, as_labels
from .bootstrap import resampled_counts, spread
from .distances import check_distance, distances_of_pairs
from .folds import best_threshold, by_folds, fold_numbers, threshold_of_far
from .space import Distance

__all__ = ["Verification", "verification"]

_ALL = 5_000_000  # pairs: up to here all are taken
_SAMPLE = 1_000_000  # pairs: beyond, half of them of one class


@dataclass(frozen=True)
class Verification:
    """How well a threshold on the distance tells pairs of one class from others. Accepted means distance <=
    threshold.

    All measures are 0 where there is no pair of one kind: see `positives` and `negatives`.
    """

    auc: float  #: area under the receiver operating characteristic
    eer: float  #: equal error rate: false accepts as frequent as false rejects, linear between points
    eer_threshold: float  #: distance at which the two rates come nearest
    tar_at_far: dict[float, float]  #: highest true-accept rate with a false-accept rate of at most the key
    threshold_at_far: dict[float, float]  #: the distance that gives it
    val_at_far: dict[
        float, dict[str, float]
    ]  #: FaceNet's: `val`, `val_std` and measured `far` of held-out folds
    accuracy: float  #: mean over held-out folds
    accuracy_std: float  #: standard deviation over the folds (divisor folds - 1)
    accuracy_stderr: float  #: `accuracy_std` / sqrt(folds), what the tables of LFW report
    balanced_accuracy: float  #: both kinds of pairs count half, over held-out folds: 0.5 is chance
    threshold: float  #: distance with the most right decisions over all pairs
    pairs: int  #: how many pairs
    positives: int  #: pairs of the same class
    negatives: int  #: pairs of different classes
    far_resolution: float  #: 1 / negatives: the least false-accept rate above 0 that can be seen
    unresolved_far: tuple[
        float, ...
    ]  #: asked rates below that; their TAR is the one without any false accept
    sampled: bool  #: whether the pairs are a balanced sample instead of all or the given ones
    fold_accuracies: NDArray[np.float64] = field(repr=False, compare=False)  #: (folds,)
    fpr: NDArray[np.float64] = field(repr=False, compare=False)  #: (m,) false-accept rates, rising
    tpr: NDArray[np.float64] = field(repr=False, compare=False)  #: (m,) true-accept rates
    thresholds: NDArray[np.float64] = field(repr=False, compare=False)  #: (m,) distances; the first is -inf
    distances: NDArray[np.float64] = field(repr=False, compare=False)  #: (pairs,)
    same: NDArray[np.bool_] = field(repr=False, compare=False)  #: (pairs,)
    left: NDArray[np.int32] = field(repr=False, compare=False)  #: (pairs,) row of the first of the pair
    right: NDArray[np.int32] = field(repr=False, compare=False)  #: (pairs,) row of the second
    codes: NDArray[np.int64] | None = field(repr=False, compare=False)  #: (n,) class number of each row

    def to_dict(self) -> dict[str, Any]:
        """The measures as plain Python numbers, without the arrays; dictionaries keep their float keys."""
        arrays = (
            "fold_accuracies",
            "fpr",
            "tpr",
            "thresholds",
            "distances",
            "same",
            "left",
            "right",
            "codes",
        )
        out = {key: value for key, value in vars(self).items() if key not in arrays}
        out["val_at_far"] = {far: dict(value) for far, value in self.val_at_far.items()}
        return {key: _copied(value) for key, value in out.items()}

    def threshold_for(self, far: float) -> float:
        """The largest seen distance that accepts at most a share `far` of the pairs of different classes."""
        order = np.sort(self.distances)
        return threshold_of_far(np.sort(self.distances[~self.same]), far, order)

    def error_rates(self, threshold: float) -> tuple[float, float]:
        """(false-accept rate, false-reject rate) of accepting up to a distance; 0 where a kind has no
        pair."""
        accepted = self.distances <= threshold
        wrongly = float(accepted[~self.same].mean()) if self.negatives else 0.0
        return wrongly, float((~accepted[self.same]).mean()) if self.positives else 0.0

    def intervals(
        self, *, confidence: float = 0.95, resamples: int = 200, seed: int = 0, by: str = "item"
    ) -> dict[str, tuple[float, float]]:
        """Bootstrap percentile intervals of AUC, EER and TAR at each FAR.

        Pairs that share an item are not independent, so pairs drawn one by one would give too narrow
        intervals, except where no item is in two pairs.

        Args:
            confidence: how often such an interval covers the true value, 0 ... 1.
            resamples: how many bootstrap samples; each takes time of the order of the number of pairs.
            seed: of the resampling.
            by: what is drawn: `"item"` (a pair counts as often as the product of its two items), `"class"`
                (likewise with the items' classes; needs labels) or `"pair"`.

        Returns:
            `{"auc": (low, high), "eer": ..., "tar_at_far_0.001": ...}`; (0, 0) where a kind has no pair.

        Raises:
            ValueError: another `by`, or a confidence outside 0 ... 1.
        """
        if by not in ("item", "class", "pair") or (by == "class" and self.codes is None):
            raise ValueError(f"by is {by!r}; expected 'item', 'pair', or 'class' where labels were given.")
        keys = ["auc", "eer", *(f"tar_at_far_{far:g}" for far in self.tar_at_far)]
        if not self.positives or not self.negatives:
            return dict.fromkeys(keys, (0.0, 0.0))
        order = np.argsort(self.distances, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(self.distances[order]) > 0, True))
        same, left, right = self.same[order], self.left[order], self.right[order]
        if by == "pair":
            drawn = len(order)
        elif by == "item":
            drawn = int(max(left.max(), right.max())) + 1
        else:
            assert self.codes is not None  # checked above
            left, right, drawn = self.codes[left], self.codes[right], int(self.codes.max()) + 1
        samples = []
        for counts in resampled_counts(drawn, resamples, seed):
            for count in counts:
                weight = count[order] if by == "pair" else count[left] * count[right]
                accepted = [np.cumsum(np.where(kind, weight, 0))[ends] for kind in (~same, same)]
                if accepted[0][-1] > 0 and accepted[1][-1] > 0:  # a draw may miss a kind altogether
                    fpr, tpr = (np.concatenate([[0], values / values[-1]]) for values in accepted)
                    tar = [_tar(fpr, tpr, far) for far in self.tar_at_far]
                    samples.append([float(np.trapezoid(tpr, fpr)), _eer(fpr, tpr)[0], *tar])
        table = np.array(samples or [[0.0] * len(keys)])
        return {key: spread(table[:, i], confidence) for i, key in enumerate(keys)}


def verification(
    embeddings: Any,
    labels: Any = None,
    *,
    pairs: tuple[Any, Any, Any] | None = None,
    distance: Distance = "euclidean",
    far: Sequence[float] = (1e-1, 1e-2, 1e-3),
    folds: Any = 10,
    seed: int = 0,
) -> Verification:
    """Decide pairs by a threshold on their exact distance and measure how often that is right.

    TAR at FAR is read off the receiver operating characteristic without interpolation: the highest
    true-accept rate whose false-accept rate does not exceed the asked one. Accuracy and `val_at_far` are of
    held-out folds: each threshold is chosen on the other folds. Folds are shuffled pairs of equal number; one
    item, or one class, may then be in several. Where that matters (pairs that share items), give `folds` with
    the pairs of each class in one fold.

    All pairs of n classes are mostly of different classes, so that "never accept" is already very accurate:
    look at `balanced_accuracy` there. With balanced pairs, as in LFW, the two are close.

    Args:
        embeddings: (n, d) floats of any framework.
        labels: (n,) integers of any width, bool or strings; may be left out where pairs are given.
        pairs: (left, right, same), rows of the embeddings and whether they are of one class. Left out: all
            pairs where there are at most five million, else a seeded sample of a million, half of them of the
            same class.
        distance: as in `retrieval`.
        far: false-accept rates at which the true-accept rate is wanted.
        folds: how many, or (pairs,) the fold of each given pair.
        seed: of the sample and of the shuffled folds.

    Returns:
        The measures and the curve; all measures 0 where there is no pair of one of the two kinds.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity in a row, rates outside 0 ... 1, neither labels
            nor pairs.
        ImportError: where scikit-learn is not installed.

    Example:
        >>> result = verification([[0.0], [0.1], [5.0], [5.1]], [0, 0, 1, 1], far=(0.1,))
        >>> result.auc, result.tar_at_far[0.1], result.pairs
        (1.0, 1.0, 6)

    References:
        Schroff, Kalenichenko, Philbin, "FaceNet", 2015, https://arxiv.org/abs/1503.03832 (VAL and FAR);
        Huang et al., "Labeled Faces in the Wild", 2007 (ten folds, standard error). FaceNet's code
        interpolates the threshold of a FAR; this does not.
    """
    check_distance(distance)
    far = tuple(dict.fromkeys(float(rate) for rate in far))
    if any(not 0 <= rate <= 1 for rate in far):
        raise ValueError(f"far is {far}; expected rates between 0 and 1.")
    rows = as_embeddings(embeddings)
    codes = None if labels is None else as_codes(as_labels(labels, len(rows)))[1][0]
    sampled = False
    if pairs is not None:
        left, right, same = _given(pairs, len(rows))
        distances = distances_of_pairs(rows, rows, left, right, distance)
    elif codes is None:
        raise ValueError(
            "labels and pairs are both missing; expected labels (n,), or pairs (left, right, same)."
        )
    elif len(rows) * (len(rows) - 1) // 2 <= _ALL:
        left, right = (index.astype(np.int32) for index in np.triu_indices(len(rows), 1))
        same = codes[left] == codes[right]
        distances = _all_distances(rows, left, right, distance)
    else:
        from ..samplers import sample_pairs

        left, right, same = _given(sample_pairs(codes, _SAMPLE, seed=seed), len(rows))
        distances, sampled = distances_of_pairs(rows, rows, left, right, distance), True
    return _measured(distances, same, left, right, codes, far, fold_numbers(folds, len(same), seed), sampled)


def _measured(
    distances: NDArray[np.float64],
    same: NDArray[np.bool_],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    codes: NDArray[np.int64] | None,
    far: tuple[float, ...],
    folds: NDArray[np.int64],
    sampled: bool,
) -> Verification:
    positives, negatives = int(same.sum()), int((~same).sum())
    both = positives > 0 and negatives > 0
    order = np.argsort(distances, kind="stable")
    ascending, ordered_same = distances[order], same[order]
    fpr, tpr, thresholds = np.zeros(1), np.zeros(1), np.full(1, -np.inf)
    if both:
        fpr, tpr, thresholds = _roc(same, distances)
    eer, eer_threshold = _eer(fpr, tpr, thresholds) if both else (0.0, 0.0)
    held = by_folds(ascending, ordered_same, folds[order], far if both else ())
    accuracy = held.accuracy if both else np.zeros(0)
    std = float(accuracy.std(ddof=1)) if len(accuracy) > 1 else 0.0
    different = ascending[~ordered_same]
    return Verification(
        auc=float(np.trapezoid(tpr, fpr)),
        eer=eer,
        eer_threshold=eer_threshold,
        tar_at_far={rate: _tar(fpr, tpr, rate) for rate in far},
        threshold_at_far={
            rate: threshold_of_far(different, rate, ascending) if both else 0.0 for rate in far
        },
        val_at_far={
            rate: {
                "val": _mean(held.val.get(rate)),
                "val_std": float(held.val[rate].std(ddof=1)) if len(held.val.get(rate, ())) > 1 else 0.0,
                "far": _mean(held.far.get(rate)),
            }
            for rate in far
        },
        accuracy=_mean(accuracy),
        accuracy_std=std,
        accuracy_stderr=std / max(len(accuracy), 1) ** 0.5,
        balanced_accuracy=held.balanced_accuracy if both else 0.0,
        threshold=best_threshold(ascending, ordered_same, balanced=False) if both else 0.0,
        pairs=len(same),
        positives=positives,
        negatives=negatives,
        far_resolution=1 / negatives if negatives else 1.0,
        unresolved_far=tuple(rate for rate in far if rate * negatives < 1),
        sampled=sampled,
        fold_accuracies=accuracy,
        fpr=fpr,
        tpr=tpr,
        thresholds=thresholds,
        distances=distances,
        same=same,
        left=left,
        right=right,
        codes=codes,
    )


def _roc(
    same: NDArray[np.bool_], distances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    try:
        from sklearn.metrics import roc_curve
    except ImportError as error:
        raise ImportError(
            "verification needs scikit-learn, which is missing: pip install scikit-learn."
        ) from error
    fpr, tpr, scores = roc_curve(same, -distances, drop_intermediate=False)
    return fpr, tpr, -scores


def _tar(fpr: NDArray[np.float64], tpr: NDArray[np.float64], far: float) -> float:
    return float(tpr[np.searchsorted(fpr, far, side="right") - 1])


def _eer(
    fpr: NDArray[np.float64], tpr: NDArray[np.float64], thresholds: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Where the two error rates meet, between two points of the curve by a straight line; and the nearer
    threshold."""
    gap = fpr + tpr - 1  # false accepts minus false rejects, from -1 to 1
    after = int(np.argmax(gap >= 0))
    part = -gap[after - 1] / (gap[after] - gap[after - 1])
    eer = float(fpr[after - 1] + part * (fpr[after] - fpr[after - 1]))
    if thresholds is None:
        return eer, 0.0
    nearest = after if after == 1 or gap[after] <= -gap[after - 1] else after - 1
    return eer, float(thresholds[nearest])


def _given(pairs: Any, rows: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    if len(pairs) != 3:
        raise ValueError(
            f"pairs has {len(pairs)} parts; expected (left, right, same), three arrays of one length."
        )
    left, right, same = (as_array(part).reshape(-1) for part in pairs)
    if not len(left) == len(right) == len(same):
        raise ValueError(
            f"pairs has {len(left)}, {len(right)} and {len(same)} entries; expected as many of each."
        )
    for name, index in (("left", left), ("right", right)):
        if index.dtype.kind not in "iu" and index.size:
            raise TypeError(
                f"{name} of pairs is of type {index.dtype}; expected row numbers of the embeddings."
            )
        if index.size and (index.min() < 0 or index.max() >= rows):
            raise ValueError(
                f"{name} of pairs names rows {index.min()} to {index.max()}; expected 0 to {rows - 1}."
            )
    return left.astype(np.int32), right.astype(np.int32), same.astype(bool)


def _all_distances(rows: NDArray[Any], left: Any, right: Any, distance: Distance) -> NDArray[np.float64]:
    """Distances of all pairs in the order of `np.triu_indices`."""
    kinds = {"euclidean": "euclidean", "squared_euclidean": "sqeuclidean"}
    kinds |= {"manhattan": "cityblock", "chebyshev": "chebyshev"}
    if callable(distance):
        values = [np.asarray(distance(rows[i : i + 1], rows[i + 1 :]))[0] for i in range(len(rows) - 1)]
        return np.concatenate(values).astype(np.float64) if values else np.zeros(0)
    if distance in kinds and len(rows) > 1:
        try:
            from scipy.spatial.distance import pdist  # scikit-learn's own dependency; sums differences, in C
        except ImportError:
            pass
        else:
            return pdist(rows.astype(np.float64), metric=kinds[distance])  # type: ignore[call-overload]
    return distances_of_pairs(rows, rows, left, right, distance)


def _mean(values: NDArray[np.float64] | None) -> float:
    return float(values.mean()) if values is not None and len(values) else 0.0


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
