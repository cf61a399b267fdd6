"""What a run does when nobody says: two small tables, and how None in a configuration becomes a value."""

import dataclasses
from typing import Any

import numpy as np

from ..data import DataSet
from .catalogue import loss_training
from .config import MODELS, TrainConfig
from .errors import ConfigError

__all__ = ["batch_size", "resolve", "shares_classes", "validation_fraction"]

#: by data set; "image" and "table" are for all others
_BY_DATA: dict[str, dict[str, Any]] = {
    "glyphs": {"model": "resnet", "batch": (32, 4), "epochs": 14, "augment": 0.6},
    "digits": {"model": "resnet", "batch": (10, 8), "epochs": 15, "augment": 0.6},
    "image": {"model": "resnet", "batch": (32, 4), "epochs": 10, "augment": 0.6},
    "table": {"model": "mlp", "batch": (32, 4), "epochs": 20, "augment": 0.0},
}

#: by model; "own" is for package.module:function
_BY_MODEL: dict[str, dict[str, Any]] = {
    "resnet": {"optimizer": "adamw", "learning_rate": 8e-3, "schedule": "one_cycle", "weight_decay": 0.2},
    "cnn": {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant", "weight_decay": 0.0},
    "mlp": {"optimizer": "adamw", "learning_rate": 3e-3, "schedule": "one_cycle", "weight_decay": 0.05},
    "own": {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "cosine", "weight_decay": 0.0},
}


def resolve(config: TrainConfig, data: DataSet, train_labels: np.ndarray, backend: str) -> TrainConfig:
    """A configuration without None where a run needs a value.

    Args:
        config: as it came.
        data: what is trained on.
        train_labels: `(n,)` of the samples that train, without those kept for validation.
        backend: the framework that Keras runs on.

    Returns:
        A new configuration; values that were given stay.

    Raises:
        ConfigError: a batch larger than the data allows.
    """
    by_data = _by_data(data)
    model = config.model or by_data["model"]
    by_model = _BY_MODEL.get(model, _BY_MODEL["own"])
    chosen: dict[str, Any] = {"backend": backend, "model": model, "epochs": by_data["epochs"], **by_model}
    wanted = loss_training(config.loss)
    if model in MODELS and not wanted.normalized:
        config = dataclasses.replace(config, model_options={"normalize": False, **config.model_options})
    config = dataclasses.replace(config, loss_options={**wanted.options, **config.loss_options})
    chosen["augment"] = by_data["augment"] if data.kind == "image" else 0.0
    chosen["validation_fraction"] = validation_fraction(config, data)
    chosen["sampler"] = config.sampler or ("shuffled" if config.batch_size else "class_balanced")
    if chosen["sampler"] == "shuffled":
        chosen["batch_size"] = min(128, len(train_labels))
    else:
        chosen["classes_per_batch"], chosen["samples_per_class"] = _balanced(
            config, train_labels, by_data["batch"]
        )
    given = {name: value for name, value in dataclasses.asdict(config).items() if value is not None}
    resolved = dataclasses.replace(
        config, **{name: value for name, value in chosen.items() if name not in given}
    )
    size = batch_size(resolved)
    _check(resolved, train_labels)
    if resolved.batches_per_epoch is None:
        resolved.batches_per_epoch = max(1, len(train_labels) // size)
    return resolved


def validation_fraction(config: TrainConfig, data: DataSet) -> float:
    """The share of the training part that is kept for validation.

    None of it where the data itself says what trains and all classes do: then training samples are measured.
    """
    if config.validation_fraction is not None:
        return config.validation_fraction
    return 0.1 if data.split != "given" or not shares_classes(data) else 0.0


def shares_classes(data: DataSet) -> bool:
    """Whether the test part has classes that are trained on."""
    return bool(np.isin(data.test.labels, data.train.labels).any())


def batch_size(config: TrainConfig) -> int:
    """Samples in a batch of a resolved configuration."""
    if config.sampler == "shuffled":
        return int(config.batch_size or 0)
    return int(config.classes_per_batch or 0) * int(config.samples_per_class or 0)


def _by_data(data: DataSet) -> dict[str, Any]:
    return _BY_DATA.get(data.name, _BY_DATA[data.kind])


def _balanced(config: TrainConfig, labels: np.ndarray, usual: tuple[int, int]) -> tuple[int, int]:
    # few classes: more samples of each, so that the batch stays as large
    num_classes = len(np.unique(labels))
    classes = config.classes_per_batch or min(usual[0], num_classes)
    samples = max(usual[1], usual[0] * usual[1] // classes)
    return classes, max(2, min(samples, len(labels) // num_classes))


def _check(config: TrainConfig, labels: np.ndarray) -> None:
    num_classes = len(np.unique(labels))
    if config.sampler == "shuffled" and batch_size(config) > len(labels):
        raise ConfigError(
            f"batch_size is {config.batch_size} but {len(labels)} samples train; expected at most that many."
        )
    if config.sampler == "class_balanced" and int(config.classes_per_batch or 0) > num_classes:
        raise ConfigError(
            f"classes_per_batch is {config.classes_per_batch} but {num_classes} classes train; "
            f"expected at most that many."
        )
    if config.sampler == "class_balanced":
        largest = int(np.bincount(labels).max())
        if int(config.samples_per_class or 0) > largest:
            raise ConfigError(
                f"samples_per_class is {config.samples_per_class} but the largest class that trains has "
                f"{largest} samples; expected at most that many."
            )
