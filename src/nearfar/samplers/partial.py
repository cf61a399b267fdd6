"""Which classes a batch is compared with, where there are too many for all."""

from typing import Any

import numpy as np

from .classes import as_numpy

__all__ = ["sample_classes"]


def sample_classes(
    labels: Any, num_classes: int, count: int, *, seed: int | np.random.Generator = 0
) -> np.ndarray:
    """The classes of a batch and others drawn at random, `count` in all, as the losses' argument `classes`.

    With a million identities the softmax over all of them is what takes the memory; the paper ("partial FC")
    takes a tenth of them, drawn anew in every step. The number is fixed, so that compiled losses keep their
    shapes.

    Args:
        labels: `(n,)` or `(n, 1)` class numbers of the batch, from 0; all of them are kept.
        num_classes: how many classes there are.
        count: how many to compare with.
        seed: a number, to be changed from step to step, or a generator that goes on.

    Returns:
        `(count,)` class numbers, ascending, none twice.

    Raises:
        ValueError: a label that is no class, more classes than there are, or fewer than the batch holds.

    Example:
        >>> chosen = sample_classes([7, 7, 400_000], 1_000_000, 1000)
        >>> len(chosen), 7 in chosen, 400_000 in chosen
        (1000, True, True)

    References:
        An et al., "Partial FC: Training 10 Million Identities on a Single Machine", 2021,
        https://arxiv.org/abs/2010.05222.
    """
    kept = np.unique(as_numpy(labels))
    if len(kept) and not (kept[0] >= 0 and kept[-1] < num_classes):
        wrong = kept[0] if kept[0] < 0 else kept[-1]
        raise ValueError(f"labels holds {wrong}; expected class numbers 0 ... {num_classes - 1}.")
    if not len(kept) <= count <= num_classes:
        raise ValueError(
            f"count is {count}; expected at least the {len(kept)} classes of the batch and at most all "
            f"{num_classes}."
        )
    # numbers among the others, moved up past each kept class that comes before them
    drawn = np.sort(
        np.random.default_rng(seed).choice(num_classes - len(kept), count - len(kept), replace=False)
    )
    before = kept - np.arange(len(kept))
    others = drawn + np.searchsorted(before, drawn, side="right")
    return np.sort(np.concatenate([kept, others]).astype(np.int64))
