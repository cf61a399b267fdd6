"""Bootstrap intervals: how far a measure would move with another sample of queries, pairs or classes."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["intervals_of_means", "resampled_counts", "spread"]


def resampled_counts(
    items: int, resamples: int, seed: int, chunk: int = 1 << 22
) -> Iterator[NDArray[np.float64]]:
    """How often each item is drawn in samples of `items` draws with replacement: (b, items) at a time."""
    random = np.random.default_rng(seed)
    step = max(1, chunk // max(items, 1))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = random.integers(items, size=(size, items)) + np.arange(size)[:, None] * items
        yield np.bincount(drawn.reshape(-1), minlength=size * items).reshape(size, items).astype(np.float64)


def spread(samples: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """The percentile interval of bootstrap samples, without those that are NaN; (0, 0) where none is left.

    Raises:
        ValueError: a confidence outside 0 ... 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected a share between 0 and 1, for example 0.95.")
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return 0.0, 0.0
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def intervals_of_means(
    values: Mapping[str, NDArray[np.float64]],
    groups: NDArray[np.int64] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of means; the same draws for every measure, so that they may be
    compared.

    Args:
        values: (n,) values by name.
        groups: (n,) group of each value as a number from 0; whole groups are drawn (cluster bootstrap).
        confidence: how often such an interval covers the true mean, 0 ... 1.
        resamples: how many bootstrap samples.
        seed: of the resampling.

    Returns:
        (low, high) by name; (0, 0) without values.
    """
    names = list(values)
    table = np.stack([values[name] for name in names], axis=1) if names else np.zeros((0, 0))
    if not len(table):
        return dict.fromkeys(names, (0.0, 0.0))
    sizes = np.ones(len(table))
    if groups is not None:
        sizes = np.bincount(groups).astype(np.float64)
        table = np.stack([np.bincount(groups, column) for column in table.T], axis=1)
    means = [
        counts @ table / np.maximum(counts @ sizes, 1)[:, None]
        for counts in resampled_counts(len(table), resamples, seed)
    ]
    samples = np.concatenate(means)
    return {name: spread(samples[:, i], confidence) for i, name in enumerate(names)}
