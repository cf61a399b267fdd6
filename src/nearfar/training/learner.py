"""The Keras model that `fit` trains: a network, a loss over the batch, and what the progress bar shows."""

from typing import Any

import keras

from .. import distances, pairs
from .._keras_tensors import share_of_replica
from ..backends import backend_of
from ..distributed import add_up, everybody
from .objective import Objective

__all__ = ["BatchMonitor", "MetricLearner"]

_ROWS = 256
ops: Any = keras.ops  # its own hints say that anything may be None


class BatchMonitor(keras.metrics.Metric):
    """Means over batches of what tells whether training works.

    `positive_distance` and `negative_distance`: between embeddings of the same class and of different ones,
    in the loss's own distance. `active_fraction`: share of the loss's terms that are positive, that is, still
    teach something; for a loss of several parts the parts are weighted by their values. Losses that do not
    count their terms have none.

    Looks at the first 256 rows of a batch, or of the part of it that each replica or process has, beside those
    of the others, so that its cost stays small beside a large batch's.
    """

    def __init__(self, objective: Objective):
        super().__init__(name="monitor", dtype="float32")
        self.objective = objective
        self.counts = "reduction" in objective.options
        self.distance = objective.options.get("distance") or "euclidean"
        self.names = ["active_fraction"] * self.counts + ["positive_distance", "negative_distance"]
        self.sums = [self.add_variable((), "zeros", name=name) for name in self.names]
        self.batches = self.add_variable((), "zeros", name="batches")

    def update_state(self, labels: Any, embeddings: Any, loss: Any = None) -> None:
        """Add a batch of `(n,)` labels and `(n, d)` embeddings, and the loss if it is known."""
        whole = embeddings.shape[0] is not None and embeddings.shape[0] <= _ROWS
        embeddings = ops.stop_gradient(ops.cast(embeddings, "float32"))[:_ROWS]
        labels = labels[:_ROWS]
        with self.objective.together():
            (everyones,), _ = everybody(backend_of(embeddings), embeddings)
            between = distances.pairwise(embeddings, everyones, self.distance)
            related = pairs.from_labels(labels)
            values = _means(between, related)
        if self.counts:
            # the share of terms, whatever they are: both means have the same sum
            known = whole and loss is not None and self.objective.options["reduction"] == "mean"
            mean = loss if known else self.objective.evaluate(embeddings, labels, reduction="mean")
            active_mean = self.objective.evaluate(embeddings, labels, reduction="active_mean")
            values.insert(0, ops.stop_gradient(mean / ops.where(active_mean > 0, active_mean, 1.0)))
        for total, value in zip(self.sums, values, strict=True):
            total.assign_add(value)
        self.batches.assign_add(1.0)

    def result(self) -> dict[str, Any]:
        """Means over the batches since the last reset."""
        batches = ops.maximum(self.batches, 1.0)
        return {name: total / batches for name, total in zip(self.names, self.sums, strict=True)}


class MetricLearner(keras.Model):
    """A network trained by a loss over its embeddings of a batch.

    Args:
        network: `(n, ...)` inputs to `(n, d)` embeddings; this is what is saved and used later.
        objective: the loss.
        monitor: whether to follow distances and the active fraction.
    """

    def __init__(self, network: keras.Model, objective: Objective, *, monitor: bool = True):
        super().__init__(name="learner")
        self.network = network
        self.objective = objective
        self.monitor = BatchMonitor(objective) if monitor else None
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The embeddings."""
        return self.network(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of the batch, and the network's own regularisers."""
        # not through compile(loss=...): Keras would cast the labels to floats
        y = ops.convert_to_tensor(y)
        loss = self.objective(y_pred, y)
        if self.monitor is not None:
            # here, not in compute_metrics: on JAX that may not look at what the loss learns
            self.monitor.update_state(y, y_pred, loss)
        for extra in self.losses:
            loss = loss + ops.cast(extra, "float32")
        return share_of_replica(loss)


def _means(between: Any, related: pairs.Pairs) -> list[Any]:
    """Mean distance of positive and of negative pairs."""
    where = [ops.cast(mask, between.dtype) for mask in related]
    sums = [ops.sum(between * mask) for mask in where] + [ops.sum(mask) for mask in where]
    *totals, positives, negatives = add_up(backend_of(between), sums)
    counts = (positives, negatives)
    return [total / ops.maximum(count, 1.0) for total, count in zip(totals, counts, strict=True)]
