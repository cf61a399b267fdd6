"""Class-balanced batches for `model.fit`."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from .samplers import ClassBalancedSampler

__all__ = ["BalancedBatches"]


class BalancedBatches(keras.utils.PyDataset):
    """Class-balanced batches of arrays, or of samples that are read on demand, for `model.fit`.

    The batches are those of `nearfar.samplers.ClassBalancedSampler`: they follow from the seed and the epoch,
    and all have the same number of rows, so that nothing is compiled twice.

    Args:
        inputs: an array, a list, tuple or dict of arrays with `n` rows each, or a function from row numbers
            `(b,)` to such a batch.
        labels: `(n,)` or `(n, 1)` integers.
        classes_per_batch: P.
        samples_per_class: K.
        batches_per_epoch: as many as go through the data about once when left out.
        seed: 0 or more.
        epoch: the first epoch, to go on where another run ended.
        **options: `workers`, `use_multiprocessing` and `max_queue_size`, as every PyDataset has them.

    Raises:
        ValueError: more classes per batch than there are, or an array without a row for each label.

    Example:
        >>> import numpy as np
        >>> batches = BalancedBatches(np.zeros((12, 5)), np.arange(12) // 4, 2, 2)
        >>> len(batches), batches[0][0].shape, batches[0][1].shape
        (3, (4, 5), (4,))
    """

    def __init__(
        self,
        inputs: Any,
        labels: Any,
        classes_per_batch: int,
        samples_per_class: int,
        *,
        batches_per_epoch: int | None = None,
        seed: int = 0,
        epoch: int = 0,
        **options: Any,
    ):
        super().__init__(**options)
        self.labels = np.asarray(labels).reshape(len(labels))
        self.sampler = ClassBalancedSampler(
            self.labels, classes_per_batch, samples_per_class, batches_per_epoch=batches_per_epoch, seed=seed
        )
        self.epoch = epoch
        self._read: Callable[[np.ndarray], Any] = inputs if callable(inputs) else self._rows_of(inputs)

    def _rows_of(self, inputs: Any) -> Callable[[np.ndarray], Any]:
        for array in keras.tree.flatten(inputs):
            if len(array) != len(self.labels):
                raise ValueError(
                    f"inputs has {len(array)} rows but labels {len(self.labels)}; expected one label a row."
                )
        return lambda rows: keras.tree.map_structure(lambda array: array[rows], inputs)

    def __len__(self) -> int:
        return len(self.sampler)

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray]:
        rows = self.sampler.batch(self.epoch, index)
        return self._read(rows), self.labels[rows]

    def on_epoch_end(self) -> None:
        """Goes on to the next epoch's batches."""
        self.epoch += 1
