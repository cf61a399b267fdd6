"""TensorBoard's curves, on any backend: Keras' own callback needs TensorFlow."""

from pathlib import Path
from typing import Any

import keras

from .callbacks import Epochs

__all__ = ["Scalars"]


class Scalars(keras.callbacks.Callback):
    """Writes each epoch's row as scalars.

    Args:
        folder: of the event files.
        epochs: the callback that measures; it must come before this one.
    """

    def __init__(self, folder: Path, epochs: Epochs):
        super().__init__()
        from tensorboard.summary import Writer

        self.epochs = epochs
        self.writer = Writer(str(folder))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the last row."""
        for name, value in self.epochs.history[-1].items():
            if name != "epoch":
                self.writer.add_scalar(name, value, epoch + 1)
        self.writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the file."""
        self.writer.close()
