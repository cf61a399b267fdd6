"""The loss as a Keras layer: the function, its options, and what it learns."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from ..distributed import sharded, whole_batch
from .catalogue import loss_called, loss_settings, loss_training
from .tables import tables

__all__ = ["Objective"]


class Objective(keras.layers.Layer):
    """A loss of `nearfar.losses`, or one's own, with the tensors that it learns, such as proxies.

    A loss that its paper adds to another one, as the catalogue says, is so here too.

    Args:
        name: as `catalogue.loss_name` gives it.
        options: keyword arguments of the function; `learn=[beta]` names options that are learnt from their
            value on.
        num_classes: in the training part; labels are 0 ... num_classes - 1.
        dim: numbers in an embedding.
        seed: of the first values of what is learnt.
        distributed: the batch is that of all TensorFlow replicas or torch processes; on JAX it is that anyway.

    Raises:
        ConfigError: options that the loss does not take.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any],
        num_classes: int,
        dim: int,
        *,
        seed: int = 0,
        distributed: bool = False,
    ):
        super().__init__(dtype="float32", name="objective")
        self.distributed = distributed
        self.loss = loss_called(name)
        values = loss_settings(self.loss, options, num_classes, dim)
        starts = self.loss.starts(values, lambda shape: keras.random.normal(shape, seed=seed))
        self.options = {option: values[option] for option in self.loss.options if option not in starts}
        self.learnt = {
            option: self.add_weight(
                shape=tuple(start.shape), initializer=lambda shape, dtype, start=start: start, name=option
            )
            for option, start in starts.items()
        }
        added_to = loss_training(name).added_to
        self.other = loss_called(added_to).function if added_to else None
        self.built = True

    def call(self, embeddings: Any, labels: Any) -> Any:
        """Scalar loss of `(n, d)` embeddings and `(n,)` labels."""
        return self.evaluate(embeddings, labels)

    def evaluate(self, embeddings: Any, labels: Any, **instead: Any) -> Any:
        """The function itself, with arguments in place of the options, such as another `reduction`."""
        with self.together():
            value = self._value(embeddings, labels, instead)
            return value if self.other is None else value + self.other(embeddings, labels, **instead)

    def together(self) -> AbstractContextManager[None]:
        """Inside, losses see the batch of all replicas or processes."""
        return sharded() if self.distributed else nullcontext()

    def _value(self, embeddings: Any, labels: Any, instead: Mapping[str, Any]) -> Any:
        learnt = {name: variable.value for name, variable in self.learnt.items()}
        options = {**self.options, **learnt, **instead}

        def of_batch(embeddings: Any, labels: Any) -> Any:
            return self.loss.function(*tables(self.loss.inputs, embeddings, labels), **options)

        # pairs and triplets are made of the whole batch, not of one replica's rows
        made = self.loss.inputs != ("embeddings", "labels")
        return (whole_batch("embeddings", "labels")(of_batch) if made else of_batch)(embeddings, labels)
