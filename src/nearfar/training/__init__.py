"""Training: a configuration in, a run folder out. Keras 3's `model.fit` on PyTorch, JAX or TensorFlow.

    nearfar train glyphs --out runs/first

is, in Python,

    run = nearfar.training.train(nearfar.training.TrainConfig(data="glyphs", out="runs/first"))

Keras binds one framework a process; it is imported by `train` and `load_run`, not before.
"""

from typing import TYPE_CHECKING, Any

from .config import TrainConfig
from .errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from .run import Run as Run
    from .run import load_run as load_run
    from .trainer import train as train

__all__ = ["ConfigError", "Run", "TrainConfig", "TrainingError", "load_run", "train"]


def __getattr__(name: str) -> Any:
    if name == "train":
        from .trainer import train

        return train
    if name in ("Run", "load_run"):
        from . import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
