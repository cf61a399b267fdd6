"""Optimizers and learning-rate schedules by name."""

import math
from typing import Any

import keras

__all__ = ["OneCycle", "make_optimizer"]

ops: Any = keras.ops  # its own hints say that anything may be None


@keras.saving.register_keras_serializable("nearfar")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises along a half cosine to the peak, then falls along another nearly to 0.

    Args:
        peak: the highest learning rate.
        steps: how many updates the whole takes.
        rise: share of the steps before the peak, 0 ... 1.
        start: learning rate of the first step, as a share of the peak.

    References:
        Smith, Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates",
        2017, https://arxiv.org/abs/1708.07120 (there with straight lines).
    """

    def __init__(self, peak: float, steps: int, *, rise: float = 0.3, start: float = 0.04):
        self.peak, self.steps, self.rise, self.start = peak, steps, rise, start

    def __call__(self, step: Any) -> Any:
        """The learning rate of an update, counted from 0."""
        done = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        up = self.start + (1 - self.start) * (1 - ops.cos(math.pi * done / self.rise)) / 2
        down = (1 + ops.cos(math.pi * (done - self.rise) / (1 - self.rise))) / 2
        return self.peak * ops.where(done < self.rise, up, down)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"peak": self.peak, "steps": self.steps, "rise": self.rise, "start": self.start}


def make_optimizer(
    name: str, learning_rate: float, schedule: str, steps: int, weight_decay: float
) -> keras.optimizers.Optimizer:
    """The optimizer of a run.

    Args:
        name: `"adam"`, `"adamw"` or `"sgd"` (with momentum 0.9).
        learning_rate: the peak.
        schedule: `"constant"`, `"cosine"` or `"one_cycle"`.
        steps: updates in the whole run.
        weight_decay: for `"adamw"` and `"sgd"`; a share of the learning rate.
    """
    rate: Any = learning_rate
    if schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    elif schedule == "one_cycle":
        rate = OneCycle(learning_rate, steps)
    if name == "adam":
        return keras.optimizers.Adam(rate)
    if name == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=weight_decay)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=weight_decay or None)
