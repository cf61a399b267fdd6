"""Decisions on pairs that no threshold was chosen on: accuracy and VAL at FAR by folds."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Folds", "by_folds", "fold_numbers", "threshold_of_far"]


class Folds(NamedTuple):
    """What each held-out fold shows, the threshold chosen on the others."""

    accuracy: NDArray[np.float64]  #: (folds,) share of right decisions
    balanced_accuracy: float  #: mean of the two kinds' shares of right decisions, over all folds together
    val: dict[
        float, NDArray[np.float64]
    ]  #: (folds with a same pair,) accepted same pairs, by wanted false-accept rate
    far: dict[
        float, NDArray[np.float64]
    ]  #: (folds with a different pair,) accepted different pairs, likewise


def fold_numbers(folds: Any, pairs: int, seed: int) -> NDArray[np.int64]:
    """(pairs,) the fold of each pair: as given, or of equal sizes and shuffled."""
    if np.ndim(folds):
        given = np.asarray(folds)
        if given.shape != (pairs,):
            raise ValueError(
                f"folds has shape {given.shape}; expected a number of folds, or one fold a pair ({pairs},)."
            )
        return np.unique(given, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if int(folds) < 2:
        raise ValueError(f"folds is {folds}; expected 2 or more: thresholds are chosen on the other folds.")
    return np.random.default_rng(seed).permutation(pairs) % min(int(folds), max(pairs, 1))


def by_folds(
    distances: NDArray[Any], same: NDArray[np.bool_], folds: NDArray[Any], far: tuple[float, ...]
) -> Folds:
    """Choose each threshold on all folds but one and decide that one with it.

    Args:
        distances: (n,) ascending.
        same: (n,) whether the pair is of one class.
        folds: (n,) fold of each pair, numbers from 0.
        far: wanted false-accept rates.

    Returns:
        Empty where there are fewer than two folds.
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
        accepted = test <= best_threshold(train, train_same, balanced=False)
        accuracy.append(float((accepted == test_same).mean()))
        accepted = test <= best_threshold(train, train_same, balanced=True)
        right += accepted[test_same].sum(), (~accepted[~test_same]).sum()
        for rate in far:
            accepted = test <= threshold_of_far(train[~train_same], rate, train)
            if test_same.any():
                val[rate].append(float(accepted[test_same].mean()))
            if not test_same.all():
                measured[rate].append(float(accepted[~test_same].mean()))
    kinds = np.array([same.sum(), (~same).sum()])
    balanced = float((right / np.maximum(kinds, 1)).sum() / max(int((kinds > 0).sum()), 1))
    as_arrays = [{rate: np.array(values) for rate, values in shares.items()} for shares in (val, measured)]
    return Folds(np.array(accuracy), balanced, as_arrays[0], as_arrays[1])


def best_threshold(distances: NDArray[Any], same: NDArray[np.bool_], *, balanced: bool) -> float:
    """The threshold with the most right decisions on ascending distances, midway between two; the least of
    equals."""
    if not len(distances):
        return 0.0
    kinds = max(int(same.sum()), 1), max(int((~same).sum()), 1)
    weights = np.where(same, 1 / kinds[0], -1 / kinds[1]) if balanced else np.where(same, 1, -1)
    gain = np.concatenate([[0], np.cumsum(weights)])  # of accepting the first k instead of none
    between = np.concatenate([[True], distances[1:] > distances[:-1], [True]])
    k = int(np.argmax(np.where(between, gain, -np.inf)))
    if k == 0:
        return float(np.nextafter(distances[0], -np.inf))
    if k == len(distances):
        return float(distances[-1])
    middle = float(distances[k - 1] + (distances[k] - distances[k - 1]) / 2)
    return middle if middle < distances[k] else float(distances[k - 1])


def threshold_of_far(different: NDArray[Any], far: float, distances: NDArray[Any]) -> float:
    """The largest of the `distances` at which at most a share `far` of the different pairs is accepted.

    Args:
        different: (m,) ascending distances of pairs of different classes.
        far: wanted false-accept rate, 0 ... 1.
        distances: (n,) ascending distances of all pairs.

    Returns:
        A threshold just below all distances where even the least of them accepts too many.
    """
    allowed = int(
        np.searchsorted(np.arange(1, len(different) + 1) / max(len(different), 1), far, side="right")
    )
    if allowed >= len(different):
        return float(distances[-1]) if len(distances) else 0.0
    below = int(np.searchsorted(distances, different[allowed], side="left"))
    return float(distances[below - 1]) if below else float(np.nextafter(distances[0], -np.inf))
