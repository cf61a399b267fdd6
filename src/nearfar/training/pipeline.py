"""Batches for `model.fit`: indices from a sampler, inputs read on demand, changed a little if asked."""

from collections.abc import Iterator
from typing import Protocol

import keras
import numpy as np

from ..data import Samples
from ..samplers import ClassBalancedSampler
from .augment import random_affine
from .config import TrainConfig

__all__ = ["Batches", "ShuffledSampler", "held_out", "make_sampler"]


class Sampler(Protocol):
    """Batches of indices, another order each epoch."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[np.ndarray]: ...
    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next."""
        ...


class ShuffledSampler:
    """Each sample once an epoch, in random order, in batches of one size; what is left over waits for the
    next epoch.

    Args:
        num_samples: indices are 0 ... num_samples - 1.
        batch_size: indices in a batch.
        batches_per_epoch: None for as many as there are whole batches; more go through the samples again.
        seed: of the order; the same seed and epoch give the same batches.
    """

    def __init__(
        self, num_samples: int, batch_size: int, *, batches_per_epoch: int | None = None, seed: int = 0
    ):
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.batches_per_epoch = batches_per_epoch or num_samples // batch_size
        self.epoch = 0

    def __len__(self) -> int:
        return self.batches_per_epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order, at = rng.permutation(self.num_samples), 0
        for _ in range(self.batches_per_epoch):
            if at + self.batch_size > len(order):
                order, at = rng.permutation(self.num_samples), 0
            yield order[at : at + self.batch_size]
            at += self.batch_size


class Batches(keras.utils.PyDataset):
    """What `fit` iterates over: `(inputs, labels)` of constant shapes, so that nothing compiles twice.

    An epoch's batches depend on the seed and the epoch alone, so that a run that is resumed sees what an
    uninterrupted one sees.

    Args:
        samples: the training part.
        rows: `(n,)` positions in it that train.
        sampler: batches of positions in `rows`.
        augment: strength of random affine changes to images; 0 for none.
        seed: of these changes.
        workers: threads that read.
        part: the rows of each batch that are this process's.
    """

    def __init__(
        self,
        samples: Samples,
        rows: np.ndarray,
        sampler: Sampler,
        *,
        augment: float,
        seed: int,
        workers: int = 1,
        part: slice = slice(None),
    ):
        super().__init__(workers=workers, max_queue_size=max(4, 2 * workers))
        self.samples, self.rows, self.sampler = samples, rows, sampler
        self.labels = samples.labels.astype(np.int32)
        self.augment, self.seed, self.part = augment, seed, part
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next."""
        self.epoch = epoch
        self.sampler.set_epoch(epoch)
        self.plan = list(self.sampler)

    def __len__(self) -> int:
        return len(self.sampler)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        whole = self.plan[index]
        rows = self.rows[whole[self.part]]
        inputs = self.samples.read(rows)
        if self.augment:
            rng = np.random.default_rng([self.seed, self.epoch, index])
            inputs = random_affine(inputs, rng, self.augment, part=self.part, whole=len(whole))
        return inputs, self.labels[rows]


def make_sampler(config: TrainConfig, labels: np.ndarray) -> Sampler:
    """The sampler of a resolved configuration over `(n,)` labels."""
    if config.sampler == "shuffled":
        assert config.batch_size is not None
        return ShuffledSampler(
            len(labels), config.batch_size, batches_per_epoch=config.batches_per_epoch, seed=config.seed
        )
    assert config.classes_per_batch is not None and config.samples_per_class is not None
    return ClassBalancedSampler(
        labels,
        config.classes_per_batch,
        config.samples_per_class,
        batches_per_epoch=config.batches_per_epoch,
        seed=config.seed,
    )


def held_out(labels: np.ndarray, fraction: float, *, by_class: bool, seed: int) -> np.ndarray:
    """`(n,)` bool, True for the samples that validation keeps.

    Args:
        labels: `(n,)` of the training part.
        fraction: share of the classes, or of each class's samples.
        by_class: whole classes, as the test part has classes that are never trained on; else samples of each
            class.
        seed: of the choice.

    Returns:
        All False where the fraction is 0, or where too little would be left to train on or to measure.
    """
    kept = np.zeros(len(labels), bool)
    if not fraction or not len(labels):
        return kept
    rng = np.random.default_rng([seed, 7])
    counts = np.bincount(labels)
    classes = np.flatnonzero(counts)
    if by_class:
        number = min(max(round(fraction * len(classes)), 2), len(classes) - 2)
        return np.isin(labels, rng.permutation(classes)[:number]) if number >= 2 else kept
    order = np.lexsort((rng.random(len(labels)), labels))
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - (np.cumsum(counts) - counts)[labels[order]]
    quota = np.maximum(np.rint(fraction * counts), 2)
    return rank < np.where(counts - quota >= 2, quota, 0)[labels]
