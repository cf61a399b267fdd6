"""Keras' training step with the mean of the processes' gradients."""

from typing import Any

import keras
import torch
import torch.distributed as dist

from .learner import MetricLearner

__all__ = ["AveragingLearner"]


class AveragingLearner(MetricLearner):
    """A `MetricLearner` of which every process of torch's group has a part of the batch."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """Keras' own step, as its guide to custom steps on torch writes it, and a mean before the update."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        embeddings = self(x, training=True)
        self.zero_grad()
        loss = self.compute_loss(x, y, embeddings)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=len(x))
        self.optimizer.scale_loss(loss).backward()
        weights = self.trainable_weights
        gradients = mean_over_processes([weight.value for weight in weights])
        with torch.no_grad():
            self.optimizer.apply(gradients, weights)
        return self.compute_metrics(x, y, embeddings)


def mean_over_processes(weights: list[Any]) -> list[torch.Tensor | None]:
    """The mean over the processes of the gradients of tensors, in one exchange.

    Args:
        weights: tensors after a backward pass, of the same shapes on all processes.

    Returns:
        A gradient for each; None where no process has one.
    """
    flags = [torch.full((1,), float(one.grad is not None), device=one.device) for one in weights]
    parts = [(torch.zeros_like(one) if one.grad is None else one.grad).reshape(-1) for one in weights]
    flat = torch.cat([*parts, *flags])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    counted = flat[-len(weights) :].tolist()
    means = flat[: -len(weights)].split([one.numel() for one in weights])
    return [
        mean.view_as(one).to(one.dtype) if count else None
        for one, mean, count in zip(weights, means, counted, strict=True)
    ]
