"""After the last epoch: the best weights, the report, and the files and pictures of the run folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import visualize
from ..data import DataSet, Preparation
from ..visualize.files import written_whole
from . import outputs, report
from .callbacks import Epochs
from .checkpoint import restore_best
from .config import TrainConfig
from .embedding import embed
from .run import Run

__all__ = ["finish"]

_PICTURED = 10_000


def finish(
    config: TrainConfig,
    data: DataSet,
    network: Any,
    folder: Path,
    epochs: Epochs,
    test_rows: np.ndarray,
    untrained: np.ndarray,
    say: Callable[[str], None],
    seconds: float,
) -> Run:
    """Measure the best epoch and write what a run leaves.

    Args:
        config: resolved.
        data: what was trained and measured on.
        network: the Keras model of inputs to embeddings.
        folder: of the run.
        epochs: what was measured while training.
        test_rows: `(k,)` positions in the test part that are measured.
        untrained: `(k, d)` their embeddings before training.
        say: prints a line.
        seconds: since the run started.

    Returns:
        The run.
    """
    best_epoch = restore_best(folder / "checkpoint", network)
    with written_whole(folder / "model.keras") as beside:
        network.save(beside)
    trained = embed(network, data.test, test_rows)
    labels = data.test.labels[test_rows]
    say("Measuring trained, untrained and raw input...")
    measured: dict[str, Any] = {
        "trained": report.measure(trained, labels, seed=config.seed),
        "untrained": report.measure(untrained, labels, seed=config.seed),
        "raw": report.measure(report.raw_inputs(data, test_rows, seed=config.seed), labels, seed=config.seed),
    }
    say(f"\n{_caption(data, test_rows)}\n{report.table(measured)}\n")

    _export(config, data, network, folder, test_rows, trained)
    names = np.array(data.test.class_names)[labels]
    ids = [str(data.test.ids[int(row)]) for row in test_rows]
    drawn = np.arange(len(test_rows))[:_PICTURED]
    images = data.test.thumbnails(test_rows[drawn])
    visualize.write_projector(
        folder / "projector",
        trained[drawn],
        names[drawn],
        metadata={"id": [ids[i] for i in drawn]},
        images=images,
    )
    visualize.plot_curves(folder / "curves.png", folder / "metrics.csv", title=f"Training on {data.name}")
    visualize.plot(
        folder / "embedding.png", trained[drawn], names[drawn], untrained=untrained[drawn], images=images
    )
    visualize.write_html(
        folder / "viewer.html", trained[drawn], names[drawn], untrained=untrained[drawn],
        metadata={"id": [ids[i] for i in drawn]}, images=images, title=f"nearfar: {data.name}",
        methods=config.projections.split(","), seed=config.seed,
    )  # fmt: skip
    measured["run"] = {
        "data": data.name,
        "kind": data.kind,
        "split": data.split,
        "preparation": _plain(data.train.preparation),
        "measured_samples": len(test_rows),
        "measured_classes": len(np.unique(labels)),
        "backend": config.backend,
        "best_epoch": best_epoch,
        "epochs": len(epochs.history),
        "seconds": round(seconds, 3),
        "warnings": epochs.warnings,
    }
    outputs.write_json(folder / "report.json", measured)  # last but one: it marks the run as finished
    shutil.rmtree(folder / "checkpoint")
    for warning in epochs.warnings:
        say(f"warning: {warning}")
    return Run(folder, config, network, measured)


def _export(
    config: TrainConfig,
    data: DataSet,
    network: Any,
    folder: Path,
    test_rows: np.ndarray,
    trained: np.ndarray,
) -> None:
    """Embeddings of the test part, and of the training part as far as `export_limit` allows."""
    if len(test_rows) < len(data.test):
        test_rows = report.chosen_rows(data.test.labels, config.export_limit, seed=config.seed)
        trained = embed(network, data.test, test_rows)
    parts = {"test": (test_rows, trained)}
    room = config.export_limit - len(test_rows)
    if room >= 4:
        rows = report.chosen_rows(data.train.labels, room, seed=config.seed)
        parts["train"] = (rows, embed(network, data.train, rows))
    outputs.write_embeddings(folder / "embeddings.parquet", data, parts)


def _plain(preparation: Preparation) -> dict[str, Any]:
    arrays = {"mean": preparation.mean, "deviation": preparation.deviation}
    return {
        "shape": list(preparation.shape),
        **{name: None if array is None else array.tolist() for name, array in arrays.items()},
    }


def _caption(data: DataSet, rows: np.ndarray) -> str:
    classes = len(np.unique(data.test.labels[rows]))
    unseen = "" if np.isin(data.test.labels, data.train.labels).any() else " never seen in training"
    part = "" if len(rows) == len(data.test) else f" (of {len(data.test):,})"
    return f"Held out: {len(rows):,}{part} samples of {classes:,} classes{unseen}"
