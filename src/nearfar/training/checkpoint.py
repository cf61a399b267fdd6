"""What a killed run needs to go on as if nothing had happened: weights, optimizer, chance, history."""

import json
import os
from pathlib import Path
from typing import Any

import keras

from ..visualize.files import written_whole

__all__ = ["last_epoch", "restore", "restore_best", "save"]

_STATE = "state.json"


def save(folder: Path, learner: keras.Model, state: dict[str, Any], *, is_best: bool) -> None:
    """Write a checkpoint; the one before it stays valid until this one is complete.

    The weights file holds the network, the loss's tensors, and the optimizer with its step, and so the place
    of the learning rate. (Chance needs no saving: it follows from the seed and the epoch.)

    Args:
        folder: made where missing.
        learner: what is trained.
        state: to be kept beside the weights; `epoch` is how many are done, `best_epoch` which is best.
        is_best: whether this epoch is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"epoch-{state['epoch']}.weights.h5"]
    _whole(learner, folder / names[0])
    if is_best:
        names.append(_best(state["best_epoch"]))
        _whole(learner.network, folder / names[1])  # type: ignore[attr-defined]  # a MetricLearner has one
    with written_whole(folder / _STATE) as beside:
        beside.write_text(json.dumps(state), encoding="utf-8")
    keep = {names[0], _best(state["best_epoch"]), _STATE}
    for old in folder.iterdir():
        if old.name not in keep:
            old.unlink()


def last_epoch(folder: Path) -> int:
    """How many epochs the checkpoint has done; 0 without one."""
    return _state(folder)["epoch"] if (folder / _STATE).exists() else 0


def restore(folder: Path, learner: keras.Model) -> dict[str, Any]:
    """Put a learner back to its last checkpoint.

    Returns:
        The state that `save` was given.
    """
    state = _state(folder)
    learner.optimizer.build(learner.trainable_variables)
    learner.load_weights(folder / f"epoch-{state['epoch']}.weights.h5")
    return state


def restore_best(folder: Path, network: keras.Model) -> int:
    """Give the network the weights of its best epoch, and say which that was."""
    epoch = _state(folder)["best_epoch"]
    network.load_weights(folder / _best(epoch))
    return epoch


def _best(epoch: int) -> str:
    return f"best-{epoch}.weights.h5"


def _state(folder: Path) -> dict[str, Any]:
    return json.loads((folder / _STATE).read_text(encoding="utf-8"))


def _whole(model: keras.Model, path: Path) -> None:
    beside = path.with_name(f".writing.{path.name}")  # Keras wants the ending .weights.h5
    try:
        model.save_weights(beside, overwrite=True)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
