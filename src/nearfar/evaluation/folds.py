"""Decisions on pairs that no threshold was chosen on: accuracy and VAL at FAR by folds."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .roc import best_threshold, threshold_of_far

__all__ = ["Folds", "by_folds", "fold_numbers"]

_Floats = NDArray[np.float64]


class Folds(NamedTuple):
    """What each held-out fold shows, the threshold chosen on the others. Empty with fewer than two folds."""

    accuracy: _Floats  #: (folds,) share of right decisions
    balanced_accuracy: float  #: mean of the two kinds' shares of right decisions, over all folds together
    val: dict[float, _Floats]  #: accepted share of the same pairs of each fold that has any, by wanted FAR
    far: dict[float, _Floats]  #: accepted share of the different pairs, likewise


def fold_numbers(folds: Any, pairs: int, seed: int) -> NDArray[np.int64]:
    """(pairs,) the fold of each pair: as given, or of equal sizes and shuffled."""
    if np.ndim(folds):
        given = np.asarray(folds)
        if given.shape != (pairs,):
            raise ValueError(
                f"folds has shape {given.shape}; expected a number of folds, or one fold a pair, ({pairs},)."
            )
        return np.unique(given, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if int(folds) < 2:
        raise ValueError(
            f"folds is {folds}; expected 2 or more, for thresholds are chosen on the other folds."
        )
    return np.random.default_rng(seed).permutation(pairs) % min(int(folds), max(pairs, 1))


def by_folds(
    distances: _Floats, same: NDArray[np.bool_], folds: NDArray[np.int64], far: tuple[float, ...]
) -> Folds:
    """Choose each threshold on all folds but one and decide that one with it.

    Args:
        distances: (n,) ascending.
        same: (n,) whether the pair is of one class; both kinds occur.
        folds: (n,) fold of each pair, numbers from 0.
        far: wanted false-accept rates.
    """
    accuracy: list[float] = []
    right = np.zeros(2)
    val: dict[float, list[float]] = {rate: [] for rate in far}
    measured: dict[float, list[float]] = {rate: [] for rate in far}
    count = int(folds.max(initial=-1)) + 1
    for fold in range(count if count > 1 else 0):
        held = folds == fold
        train, train_same = distances[~held], same[~held]
        test, test_same = distances[held], same[held]
        accepted = test <= best_threshold(train, train_same)
        accuracy.append(float((accepted == test_same).mean()))
        accepted = test <= best_threshold(train, train_same, balanced=True)
        right += accepted[test_same].sum(), (~accepted[~test_same]).sum()
        for rate in far:
            accepted = test <= threshold_of_far(train, train_same, rate)
            if test_same.any():
                val[rate].append(float(accepted[test_same].mean()))
            if not test_same.all():
                measured[rate].append(float(accepted[~test_same].mean()))
    kinds = np.array([same.sum(), (~same).sum()])
    arrays = [{rate: np.array(shares) for rate, shares in kind.items()} for kind in (val, measured)]
    return Folds(np.array(accuracy), float((right / kinds).mean()), arrays[0], arrays[1])
