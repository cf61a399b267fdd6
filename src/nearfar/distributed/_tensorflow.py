"""TensorFlow: the replicas of a `tf.distribute` strategy. They may have unequal numbers of rows."""

from typing import Any

import tensorflow as tf

from ._context import Sharding

__all__ = ["ReplicaGroup", "group_of"]


def group_of(sharding: Sharding) -> "ReplicaGroup | None":
    """The replicas in sync with the current one; None outside a replica context, or for one replica."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return ReplicaGroup(context)


class ReplicaGroup:
    """The replicas that run the same step."""

    def __init__(self, context: Any):
        self.context = context

    def gather(self, *tensors: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """The rows of all replicas, and the number of this one's first."""
        rows = tf.shape(tensors[0])[:1]
        sizes = self._gather(rows)
        first = tf.reduce_sum(sizes[: self.context.replica_id_in_sync_group])
        return [self._rows(x, first, rows[0]) for x in tensors], first

    def sum(self, x: tf.Tensor) -> tf.Tensor:
        """Sum over the replicas."""
        # several workers' collectives ask for a tensor's device, which one from outside the replica has not
        return self.context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(x))

    def alike(self, x: tf.Tensor) -> tf.Tensor:
        """`x`."""
        return x

    def _gather(self, x: tf.Tensor) -> tf.Tensor:
        return self.context.all_gather(tf.identity(x), axis=0)

    def _rows(self, x: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        shape = tf.TensorShape([None, *x.shape[1:]])  # all_gather forgets it in a graph
        if not x.dtype.is_floating:
            return tf.ensure_shape(self._gather(x), shape)
        half = x.dtype in (tf.float16, tf.bfloat16)

        @tf.custom_gradient
        def gathered(x: tf.Tensor) -> tuple:
            everyones = self._gather(x)

            def own(upstream: Any) -> tf.Tensor:
                # sparse where rows were picked out of the gathered
                dense = tf.convert_to_tensor(upstream)
                total = self.sum(dense)
                return tf.cast(total[first : first + count], x.dtype)

            return tf.cast(everyones, tf.float32) if half else everyones, own

        return tf.ensure_shape(gathered(x), shape)
