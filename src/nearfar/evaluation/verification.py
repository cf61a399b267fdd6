"""Verification: is a pair of the same class, decided by a threshold on its distance?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_codes, as_embeddings, as_labels
from .bootstrap import resampled_counts, spread
from .distances import check_distance
from .folds import Folds, by_folds, fold_numbers
from .pairs import ALL, Pairs, all_pairs, given_pairs, sampled_pairs
from .roc import Roc, area, best_threshold, equal_error, roc_of, shares_accepted, tar_at, threshold_of_far
from .space import Distance

__all__ = ["Verification", "verification"]


@dataclass(frozen=True)
class Verification:
    """How well a threshold on the distance tells pairs of one class from others. Accepted means distance <=
    threshold.

    All measures are 0 where there is no pair of one kind: see `positives` and `negatives`.
    """

    auc: float  #: area under the receiver operating characteristic
    eer: float  #: equal error rate: false accepts as frequent as false rejects, linear between points
    eer_threshold: float  #: the distance at which the two rates come nearest
    tar_at_far: dict[float, float]  #: highest true-accept rate with a false-accept rate of at most the key
    threshold_at_far: dict[float, float]  #: the threshold that gives it, midway between two distances
    val_at_far: dict[
        float, dict[str, float]
    ]  #: FaceNet's: `val`, `val_std` and measured `far` of held-out folds
    accuracy: float  #: mean over held-out folds
    accuracy_std: float  #: standard deviation over the folds (divisor folds - 1)
    accuracy_stderr: float  #: `accuracy_std` / sqrt(folds), what the tables of LFW report
    balanced_accuracy: float  #: both kinds of pairs count half, over held-out folds: 0.5 is chance
    threshold: float  #: the one with the most right decisions over all pairs, midway between two distances
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
        """The threshold that accepts most while it accepts at most a share `far` of pairs of different
        classes."""
        order = np.argsort(self.distances, kind="stable")
        return threshold_of_far(self.distances[order], self.same[order], far)

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
        samples = self.resampled(resamples=resamples, seed=seed, by=by)
        return {key: spread(samples[:, i], confidence) for i, key in enumerate(self.means())}

    def means(self) -> dict[str, float]:
        """The measures that can be resampled, by flat name: `auc`, `eer` and `tar_at_far_...`."""
        tar = {f"tar_at_far_{far:g}": value for far, value in self.tar_at_far.items()}
        return {"auc": self.auc, "eer": self.eer, **tar}

    def resampled(self, *, resamples: int, seed: int, by: str = "item") -> NDArray[np.float64]:
        """(resamples, measures) values of `means` over bootstrap samples, the same draws for results of the
        same pairs.

        A row is NaN where a draw misses one kind of pairs; all are 0 where there is no pair of one kind.

        Raises:
            ValueError: another `by`, or `"class"` without labels.
        """
        if by not in ("item", "class", "pair") or (by == "class" and self.codes is None):
            raise ValueError(f"by is {by!r}; expected 'item', 'pair', or 'class' where labels were given.")
        samples = np.zeros((resamples, len(self.means())))
        if not self.positives or not self.negatives:
            return samples
        order = np.argsort(self.distances, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(self.distances[order]) > 0, True))
        distinct = None if len(ends) == len(order) else ends
        same, left, right = self.same[order], self.left[order], self.right[order]
        if by == "class" and self.codes is not None:
            left, right = self.codes[left], self.codes[right]
        drawn = len(order) if by == "pair" else int(max(left.max(), right.max())) + 1
        counts = (count for part in resampled_counts(drawn, resamples, seed) for count in part)
        for sample, count in zip(samples, counts, strict=True):
            weights = count[order] if by == "pair" else count[left] * count[right]
            curve = shares_accepted(weights, same, distinct)
            sample[:] = np.nan
            if curve:
                tar = [tar_at(curve.fpr, curve.tpr, far) for far in self.tar_at_far]
                sample[:] = area(curve.fpr, curve.tpr), equal_error(curve)[0], *tar
        return samples


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
        chosen = given_pairs(rows, pairs, distance)
    elif codes is None:
        raise ValueError("labels and pairs are missing; expected labels (n,), or pairs (left, right, same).")
    elif len(rows) * (len(rows) - 1) // 2 <= ALL:
        chosen = all_pairs(rows, codes, distance)
    else:
        chosen, sampled = sampled_pairs(rows, codes, distance, seed), True
    return _measured(chosen, codes, far, fold_numbers(folds, len(chosen.same), seed), sampled)


def _measured(
    pairs: Pairs,
    codes: NDArray[np.int64] | None,
    far: tuple[float, ...],
    folds: NDArray[np.int64],
    sampled: bool,
) -> Verification:
    positives, negatives = int(pairs.same.sum()), int((~pairs.same).sum())
    order = np.argsort(pairs.distances, kind="stable")
    ascending, same = pairs.distances[order], pairs.same[order]
    if positives and negatives:
        curve = roc_of(ascending, same)
        eer, eer_threshold = equal_error(curve)
        held = by_folds(ascending, same, folds[order], far)
        threshold = best_threshold(ascending, same)
        at_far = {rate: threshold_of_far(ascending, same, rate) for rate in far}
    else:
        curve, held = Roc(np.zeros(1), np.zeros(1), np.full(1, -np.inf)), Folds(np.zeros(0), 0.0, {}, {})
        eer, eer_threshold, threshold, at_far = 0.0, 0.0, 0.0, dict.fromkeys(far, 0.0)
    std = _std(held.accuracy)
    return Verification(
        auc=area(curve.fpr, curve.tpr),
        eer=eer,
        eer_threshold=eer_threshold,
        tar_at_far={rate: tar_at(curve.fpr, curve.tpr, rate) for rate in far},
        threshold_at_far=at_far,
        val_at_far={
            rate: {
                "val": _mean(held.val.get(rate, ())),
                "val_std": _std(held.val.get(rate, ())),
                "far": _mean(held.far.get(rate, ())),
            }
            for rate in far
        },
        accuracy=_mean(held.accuracy),
        accuracy_std=std,
        accuracy_stderr=std / max(len(held.accuracy), 1) ** 0.5,
        balanced_accuracy=held.balanced_accuracy,
        threshold=threshold,
        pairs=len(same),
        positives=positives,
        negatives=negatives,
        far_resolution=1 / negatives if negatives else 1.0,
        unresolved_far=tuple(rate for rate in far if rate * negatives < 1),
        sampled=sampled,
        fold_accuracies=held.accuracy,
        fpr=curve.fpr,
        tpr=curve.tpr,
        thresholds=curve.thresholds,
        distances=pairs.distances,
        same=pairs.same,
        left=pairs.left,
        right=pairs.right,
        codes=codes,
    )


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _std(values: Any) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
