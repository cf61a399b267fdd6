"""From a configuration to a run folder."""

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import DataSet
from . import defaults, outputs, report
from .backend import select_backend
from .catalogue import check_loss, loss_training
from .config import TrainConfig
from .devices import Devices, all_devices
from .errors import ConfigError
from .run import Run, load_data

if TYPE_CHECKING:
    import keras

    from .learner import MetricLearner
    from .pipeline import Batches

__all__ = ["prepared", "train"]


def train(config: TrainConfig, *, say: Callable[[str], None] | None = None) -> Run:
    """Train an embedding, measure it on what was held out, and write the run folder.

    Args:
        config: what to run; None in it is chosen from the data and the model.
        say: prints a line of what happens; `print` when left out. Keras' progress bar goes to standard output
            while that is so, and is silent with another function.

    Returns:
        The run: its model at the best epoch, its report, its folder.

    Raises:
        ConfigError: a configuration that cannot be run, or a folder that exists.
        DataError: data that cannot be used.
        TrainingError: the loss is no longer finite.

    Example:
        >>> run = train(TrainConfig(data="glyphs", out="runs/first"))  # doctest: +SKIP
        >>> run.report["trained"]["retrieval"]["precision_at_1"]  # doctest: +SKIP
        0.91...
    """
    verbose = 0 if say is not None else 1 if sys.stdout.isatty() else 2
    say = say or (lambda line: print(line, flush=True))
    started = time.perf_counter()
    check_loss(config.loss, config.loss_options)
    if config.resume and config.out is None:
        raise ConfigError("resume came without out; name the run folder to continue.")
    if not config.resume:
        outputs.check_folder(config.out, overwrite=config.overwrite)
    if config.tensorboard:
        outputs.check_package("tensorboard", "--tensorboard")
    backend = select_backend(config.backend)
    with all_devices(config.distributed, backend, say) as devices:
        if devices.rank:
            verbose, say = 0, _silent
        return _trained(config, backend, devices, verbose, say, started)


def _trained(
    config: TrainConfig,
    backend: str,
    devices: Devices,
    verbose: int,
    say: Callable[[str], None],
    started: float,
) -> Run:
    data = load_data(config)
    closed = defaults.shares_classes(data)
    from .pipeline import held_out

    kept = held_out(
        data.train.labels, defaults.validation_fraction(config, data), by_class=not closed, seed=config.seed
    )
    rows = np.flatnonzero(~kept)
    config = defaults.resolve(config, data, data.train.labels[rows], backend)
    validation_rows = np.flatnonzero(kept) if kept.any() else rows
    validation_rows = validation_rows[
        report.chosen_rows(data.train.labels[validation_rows], config.validation_limit, seed=config.seed)
    ]
    test_rows = report.chosen_rows(data.test.labels, config.evaluation_limit, seed=config.seed)
    outputs.check_projections(config.projections, len(test_rows))
    devices.check_batch(defaults.batch_size(config))
    with devices.scope():
        learner, batches = prepared(config, data, rows, devices=devices)
    config = dataclasses.replace(config, embedding_dim=int(learner.network.output_shape[-1]))
    first = devices.rank == 0  # it alone measures and writes
    folder = devices.of_first(_folder(config, data) if first else None)

    say(_opening(config, data, rows, kept, learner, folder))
    from .embedding import embed

    untrained = embed(learner.network, data.test, test_rows if first else test_rows[:0])
    from .callbacks import Epochs

    epochs = Epochs(
        config,
        batches,
        (data.train.read(validation_rows), data.train.labels[validation_rows]) if first else None,
        "val" if kept.any() else "train",
        folder,
        margin=learner.objective.options.get("margin"),
        rank=devices.rank,
        say=say,
    )
    done = epochs.restore(learner) if first and config.resume and _has_checkpoint(folder) else 0
    done = devices.of_first(done)
    devices.start_alike(learner)
    if done:
        say(f"Going on after epoch {done}.")
    callbacks: list[Any] = [epochs]
    bar: Any = verbose  # Keras' hint says str, its documentation 0, 1 or 2
    if config.tensorboard and first:
        from .scalars import Scalars

        callbacks.append(Scalars(folder / "tensorboard", epochs))
    assert config.epochs is not None
    try:
        if done < config.epochs:
            with devices.whole_batch_statistics(learner.network):
                learner.fit(
                    batches, epochs=config.epochs, initial_epoch=done, verbose=bar, callbacks=callbacks
                )
        trained_at = time.perf_counter()
        from .finish import finish

        run = Run(folder, config, learner.network, {})
        if first:
            run = finish(
                config, data, learner.network, folder, epochs, test_rows, untrained, say, trained_at - started
            )
        run.report = devices.of_first(run.report)
        devices.start_alike(learner.network)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; continue with: nearfar train --resume --out {folder}"
        ) from None
    seconds = time.perf_counter() - started
    say(f"Done in {seconds:.0f} s, training {trained_at - started:.0f} s of it. Run folder: {folder}")
    return run


def prepared(
    config: TrainConfig,
    data: DataSet,
    rows: np.ndarray,
    *,
    loss: "keras.layers.Layer | None" = None,
    monitor: bool = True,
    devices: Devices | None = None,
) -> "tuple[MetricLearner, Batches]":
    """The compiled learner and its batches; everything that can refuse a configuration has then done so.

    Args:
        config: resolved.
        data: what is trained on.
        rows: `(n,)` positions in its training part.
        loss: a layer of embeddings and labels in place of the configuration's loss.
        monitor: whether to follow distances and the active fraction.
        devices: what `all_devices` gave; this process alone when left out.
    """
    import keras

    from .models import build_model
    from .objective import Objective
    from .pipeline import Batches, make_sampler
    from .schedules import make_optimizer

    devices = devices or Devices()
    sampler = make_sampler(config, data.train.labels[rows])
    batches = Batches(
        data.train,
        rows,
        sampler,
        augment=config.augment or 0.0,
        seed=config.seed,
        workers=config.workers,
        part=devices.part(defaults.batch_size(config)),
    )
    keras.utils.set_random_seed(config.seed)
    policy = keras.config.dtype_policy()
    if config.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build_model(str(config.model), data.train.shape, config.model_options, config.embedding_dim)
    finally:
        keras.config.set_dtype_policy(policy)
    num_classes, dim = int(data.train.labels.max()) + 1, int(network.output_shape[-1])
    objective = loss or Objective(
        config.loss, config.loss_options, num_classes, dim, seed=config.seed, distributed=config.distributed
    )
    learner = devices.learner(network, objective, monitor=monitor)
    assert config.epochs and config.learning_rate and config.optimizer and config.schedule
    optimizer = make_optimizer(
        config.optimizer,
        config.learning_rate,
        config.schedule,
        config.epochs * len(batches),
        config.weight_decay or 0.0,
    )
    learner.compile(optimizer=optimizer)
    return learner, batches


def _silent(line: str) -> None:
    """What the processes beside the first one say."""


def _folder(config: TrainConfig, data: DataSet) -> Path:
    if not config.resume:
        folder = outputs.prepare_folder(config.out, data.name, overwrite=config.overwrite)
        config.save(folder / "config.yaml")
        return folder
    folder = Path(str(config.out))
    saved = TrainConfig.load(folder / "config.yaml").to_dict()
    changed = [name for name, value in config.to_dict().items() if value != saved[name]]
    if changed:
        name = changed[0]
        raise ConfigError(
            f"{folder} was started with {name} {saved[name]!r}, not {config.to_dict()[name]!r}; "
            f"--resume continues the same run, so leave that option out."
        )
    if (folder / "report.json").exists():
        raise ConfigError(
            f"{folder} has finished, so there is nothing to resume; --overwrite starts it again."
        )
    return folder


def _has_checkpoint(folder: Path) -> bool:
    from .checkpoint import last_epoch

    return last_epoch(folder / "checkpoint") > 0


def _opening(
    config: TrainConfig, data: DataSet, rows: np.ndarray, kept: np.ndarray, learner: Any, folder: Path
) -> str:
    train_classes = len(np.unique(data.train.labels[rows]))
    test_classes = len(np.unique(data.test.labels))
    unseen = "" if defaults.shares_classes(data) else " unseen"
    held = f", {kept.sum():,} kept for validation" if kept.any() else ""
    options = "".join(f" {name}={value}" for name, value in config.loss_options.items())
    other = loss_training(config.loss).added_to
    added = f" added to {other}" if other else ""
    size = defaults.batch_size(config)
    shape = (
        f"{config.classes_per_batch} classes x {config.samples_per_class}"
        if config.sampler == "class_balanced"
        else "shuffled"
    )
    return (
        f"{data.name}: training on {len(rows):,} samples of {train_classes:,} classes{held}; "
        f"measuring {len(data.test):,} samples of {test_classes:,}{unseen} classes\n"
        f"{config.model} ({learner.network.count_params():,} parameters, {config.embedding_dim} numbers) on "
        f"{config.backend}, {config.loss}{options}{added}, batches of {size} ({shape}), {config.epochs} epochs of "
        f"{config.batches_per_epoch}\n"
        f"Run folder: {folder}"
    )
