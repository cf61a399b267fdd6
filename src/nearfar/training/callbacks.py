"""What happens around each epoch: batches, validation, checkpoint, curves, and a word on collapse."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..evaluation import retrieval
from . import checkpoint
from .collapse import advice
from .config import TrainConfig
from .embedding import embed
from .errors import TrainingError
from .outputs import write_metrics
from .pipeline import Batches

__all__ = ["Epochs"]


class Epochs(keras.callbacks.Callback):
    """The one callback of a run.

    Args:
        config: resolved.
        batches: what is trained on.
        validation: `(inputs, labels)` arrays that retrieval is measured on after each epoch; None on processes
            beside the first.
        prefix: of the columns of these measures: `val` for samples kept apart, `train` for samples that
            train.
        folder: of the run.
        margin: of the loss, where it has one.
        rank: of the process; those beside the first neither measure nor write.
        say: prints a line.
    """

    def __init__(
        self,
        config: TrainConfig,
        batches: Batches,
        validation: tuple[np.ndarray, np.ndarray] | None,
        prefix: str,
        folder: Path,
        *,
        margin: float | None,
        say: Callable[[str], None],
        rank: int = 0,
    ):
        super().__init__()
        self.config, self.batches, self.validation, self.prefix = config, batches, validation, prefix
        self.folder, self.margin, self.say, self.rank = folder, margin, say, rank
        self.history: list[dict[str, float]] = []
        self.best, self.best_epoch = -math.inf, 0
        self.warnings: list[str] = []

    def restore(self, learner: keras.Model) -> int:
        """Go back to the last checkpoint of the folder; returns how many epochs are done."""
        state = checkpoint.restore(self.folder / "checkpoint", learner)
        self.history, self.best, self.best_epoch = state["history"], state["best"], state["best_epoch"]
        self.warnings = state["warnings"]
        return state["epoch"]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """All chance of an epoch follows from the seed and its number."""
        seed = (self.config.seed + 1_000_003 * (epoch + 1)) % 2**32
        keras.utils.set_random_seed(seed)  # also of the order of the batches, which processes share
        if self.rank:  # of torch's; each drops other activations, of its own rows
            import torch

            seed = (seed + 15_485_863 * self.rank) % 2**32
            torch.manual_seed(seed)
        learner: Any = self.model
        states = [state for state in learner.non_trainable_variables if state.name == "seed_generator_state"]
        for number, state in enumerate(states):  # of dropout; Keras does not save them with the weights
            state.assign(np.array([seed, number], state.dtype))
        self.batches.set_epoch(epoch)
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure, remember the best, write the checkpoint and the curves."""
        if self.validation is None:  # process 0 measures
            return
        logs = {} if logs is None else logs
        seconds = time.perf_counter() - self.started
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"the loss became {logs['loss']} in epoch {epoch + 1}; try a lower --learning-rate "
                f"(now {self.config.learning_rate:g}), and check the inputs for NaN."
            )
        learner: Any = self.model
        embeddings = embed(learner.network, self.validation[0])
        if not np.isfinite(embeddings).all():
            raise TrainingError(
                f"the embeddings became NaN or infinite in epoch {epoch + 1}; try a lower --learning-rate "
                f"(now {self.config.learning_rate:g}), and check the inputs for NaN."
            )
        measured = retrieval(embeddings, self.validation[1])
        # also what the progress bar shows, since it prints the epoch's line after this
        logs[f"{self.prefix}_precision_at_1"] = measured.precision_at_1
        logs[f"{self.prefix}_map_at_r"] = measured.map_at_r
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}}
        row["learning_rate"] = float(np.asarray(keras.ops.convert_to_numpy(learner.optimizer.learning_rate)))
        row["seconds"] = round(seconds, 3)
        self.history.append(row)
        is_best = measured.map_at_r > self.best
        if is_best:
            self.best, self.best_epoch = measured.map_at_r, epoch + 1
        self._warn(embeddings, logs["loss"])
        state = {
            "epoch": epoch + 1,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "history": self.history,
        }
        checkpoint.save(
            self.folder / "checkpoint", learner, {**state, "warnings": self.warnings}, is_best=is_best
        )
        write_metrics(self.folder / "metrics.csv", self.history)

    def _warn(self, embeddings: np.ndarray, loss: float) -> None:
        words = advice(
            embeddings, loss, self.config.loss_options, self.margin, float(self.config.learning_rate or 0)
        )
        if words and not self.warnings:
            self.warnings.append(words)
            self.say(f"\nwarning: {words}")
