"""What a training run is: one typed configuration, in Python, in YAML and on the command line."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .catalogue import loss_name
from .errors import ConfigError

__all__ = ["BACKENDS", "MODELS", "OPTIMIZERS", "SAMPLERS", "SCHEDULES", "TrainConfig"]

BACKENDS = ("torch", "jax", "tensorflow")
MODELS = ("cnn", "resnet", "mlp")
SAMPLERS = ("class_balanced", "shuffled")
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one_cycle")


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass
class TrainConfig:
    """A training run. What is None is chosen from the data and the model, and written out in `config.yaml`.

    Every field is an option of `nearfar train` (`--learning-rate` for `learning_rate`), and a key of the YAML
    file.

    Example:
        >>> TrainConfig(data="glyphs", loss="triplet", loss_options={"mining": "hard"}).loss
        'triplet_loss'
    """

    data: str = _option(
        "", "glyphs, digits, or a path: IDX folder, folder of class folders, .npz, .csv, .tsv, .parquet"
    )
    split: str = _option("auto", "class (unseen classes), sample, given (as the data says) or auto")
    test_fraction: float | None = _option(
        None, "share of the classes, or of each class's samples, that is held out"
    )
    label: str | None = _option(None, "label column of a table")
    image_size: int | None = _option(None, "make images squares of this side, in pixels")
    skip_unreadable: bool = _option(False, "leave out images that cannot be read")
    skip_single: bool = _option(False, "leave out classes with a single sample")
    limit: int | None = _option(None, "use at most so many samples of each part, for a quick try")
    seed: int = _option(0, "of the split, the weights, the batches and the augmentation")

    backend: str | None = _option(
        None, "torch, jax or tensorflow; else $KERAS_BACKEND, else the first installed"
    )
    distributed: bool = _option(
        False,
        "divide each batch, with the same result: over all devices of this machine (jax, tensorflow), or over the "
        "processes that torchrun starts (torch)",
    )
    mixed_precision: bool = _option(False, "compute in bfloat16, keep weights and the loss in float32")
    model: str | None = _option(None, "cnn, resnet, mlp, or package.module:function for your own")
    model_options: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "arguments of the model, as width=32,depth=2 or {width: 32}"}
    )
    embedding_dim: int | None = _option(None, "numbers in an embedding")

    loss: str = _option("supcon_loss", "a loss of nearfar.losses, or package.module:function for your own")
    loss_options: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "keyword arguments of the loss, as mining=hard,margin=0.5"}
    )

    sampler: str | None = _option(None, "class_balanced (classes x samples) or shuffled")
    classes_per_batch: int | None = _option(None, "classes in a class-balanced batch")
    samples_per_class: int | None = _option(None, "samples of each class in a class-balanced batch")
    batch_size: int | None = _option(None, "samples in a shuffled batch")
    batches_per_epoch: int | None = _option(
        None, "batches that make an epoch; else enough to see each sample once"
    )
    augment: float | None = _option(None, "strength of the random affine changes to images; 0 for none")
    workers: int = _option(1, "threads that read batches")

    epochs: int | None = _option(None, "passes over the training part")
    optimizer: str | None = _option(None, "adam, adamw or sgd")
    learning_rate: float | None = _option(None, "peak of the learning rate")
    schedule: str | None = _option(None, "of the learning rate: constant, cosine or one_cycle")
    weight_decay: float | None = _option(None, "decoupled weight decay of adamw and sgd")

    validation_fraction: float | None = _option(
        None, "share of the training classes (or samples) kept for choosing the best epoch; 0 keeps none"
    )
    validation_limit: int = _option(2000, "samples that validation measures after each epoch, at most")
    evaluation_limit: int = _option(10_000, "test samples that the report and the pictures use, at most")
    export_limit: int = _option(100_000, "rows of embeddings.parquet, at most")

    projections: str = _option(
        "pca", "layouts of viewer.html, as pca,umap,pacmap; umap and pacmap can take minutes"
    )
    out: str | None = _option(None, "run folder; else runs/DATA-N")
    overwrite: bool = _option(False, "replace a run folder that exists")
    resume: bool = _option(False, "continue the run in --out after its last finished epoch")
    tensorboard: bool = _option(False, "also write logs for TensorBoard")

    def __post_init__(self) -> None:
        self.loss = loss_name(self.loss)
        one_of("model", self.model, MODELS, free=":")
        one_of("backend", self.backend, BACKENDS)
        one_of("sampler", self.sampler, SAMPLERS)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        one_of("schedule", self.schedule, SCHEDULES)
        for name in ("embedding_dim", "batches_per_epoch", "epochs", "workers", "image_size"):
            at_least(name, getattr(self, name), 1)
        for name in ("classes_per_batch", "samples_per_class", "batch_size"):
            at_least(name, getattr(self, name), 2)
        for name in ("validation_limit", "evaluation_limit", "export_limit"):
            at_least(name, getattr(self, name), 4)
        for name in ("augment", "weight_decay", "seed"):
            at_least(name, getattr(self, name), 0)
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ConfigError(f"learning_rate is {self.learning_rate}; expected more than 0.")
        if self.validation_fraction is not None and not 0 <= self.validation_fraction < 1:
            raise ConfigError(
                f"validation_fraction is {self.validation_fraction}; expected 0 or more, below 1."
            )

    def to_dict(self) -> dict[str, Any]:
        """What the run is, as plain values: all fields but where it goes and how it was started."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _WHERE}

    def save(self, path: str | Path) -> None:
        """Write the YAML file that `nearfar train --config` repeats; whole or not at all."""
        import yaml

        from ..visualize.files import written_whole

        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=110)
        with written_whole(path) as beside:
            beside.write_text(f"# nearfar train --config {Path(path).name}\n{text}", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "TrainConfig":
        """Read what `save` wrote.

        Raises:
            ConfigError: no such file, not YAML, or an option that is unknown or of the wrong type.
        """
        from .options import from_file

        return cls(**from_file(path))


#: not part of what is repeated
_WHERE = ("out", "overwrite", "resume", "distributed")


def one_of(name: str, value: Any, known: "tuple[str, ...] | list[str] | Mapping", *, free: str = "") -> None:
    """Refuse a name that is not known; None passes, and so does one with the `free` character in it."""
    if value is not None and value not in known and not (free and free in value):
        own = " or package.module:function" if free else ""
        raise ConfigError(f"{name} {value!r} is not known; expected one of {', '.join(known)}{own}.")


def at_least(name: str, value: float | None, least: float) -> None:
    """Refuse a number that is too small; None passes."""
    if value is not None and value < least:
        raise ConfigError(f"{name} is {value}; expected {least} or more.")
