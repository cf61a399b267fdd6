"""A finished run, re-opened."""

import csv
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from ..data import DataSet, Preparation, Samples, load, load_all
from .config import TrainConfig
from .errors import ConfigError

__all__ = ["Embeddings", "Run", "load_data", "load_run"]


class Embeddings(NamedTuple):
    """What `embeddings.parquet` holds."""

    embeddings: np.ndarray  #: (n, d) float32
    labels: np.ndarray  #: (n,) str, names of classes
    split: np.ndarray  #: (n,) str, "train" or "test"
    ids: list[str]  #: where each came from
    images: list[bytes] | None  #: PNG, where the data are images


@dataclass
class Run:
    """What `train` returns and `load_run` re-opens.

    Example:
        >>> run = load_run("runs/glyphs-1")  # doctest: +SKIP
        >>> run.report["trained"]["retrieval"]["map_at_r"], run.embed(run.data().test).shape  # doctest: +SKIP
        (0.68..., (2400, 128))
    """

    path: Path  #: the run folder
    config: TrainConfig  #: resolved
    model: Any  #: the Keras model of inputs to embeddings, at its best epoch
    report: dict[str, Any]  #: trained, untrained and raw measures, and how the run went under "run"

    def embed(self, inputs: Samples | np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Embeddings of samples.

        Args:
            inputs: samples, or an `(n, ...)` float array of what `Samples.read` gives.
            rows: `(k,)` which of them; all when left out.

        Returns:
            `(k, d)` float32; `(0, d)` for none.

        Raises:
            ConfigError: inputs of another shape than those of the run.
        """
        from .embedding import embed

        shape, expected = tuple(inputs.shape), self.preparation.shape
        if isinstance(inputs, np.ndarray):
            shape = shape[1:]
        if shape != expected:
            raise ConfigError(
                f"inputs have shape {shape} each but the run was trained on {expected}; resize them first."
            )
        return embed(self.model, inputs, rows)

    @property
    def preparation(self) -> Preparation:
        """How raw samples become the model's inputs."""
        saved = self.report["run"]["preparation"]
        arrays = [None if saved[name] is None else np.array(saved[name]) for name in ("mean", "deviation")]
        return Preparation(tuple(saved["shape"]), *arrays)

    def data(self) -> DataSet:
        """The data of the run, read and split again as it was."""
        return load_data(self.config)

    def read(self, source: str | Path, **options: Any) -> Samples:
        """Every sample of any source, prepared as the run's own data were; see `nearfar.data.load_all`.

        Raises:
            DataError: whatever keeps the data from being used.
        """
        return load_all(source, like=self.preparation, **options)

    def embeddings(self) -> Embeddings:
        """What the run saved of its own samples, test part first."""
        import pyarrow.parquet as pq

        found = pq.read_table(self.path / "embeddings.parquet").combine_chunks()
        column = found["embedding"].combine_chunks()
        flat = np.asarray(column.flatten(), np.float32)
        return Embeddings(
            flat.reshape(len(found), -1),
            np.array(found["label"].to_pylist()),
            np.array(found["split"].to_pylist()),
            found["id"].to_pylist(),
            found["image"].to_pylist() if "image" in found.column_names else None,
        )

    @property
    def metrics(self) -> list[dict[str, float]]:
        """The rows of `metrics.csv`."""
        with (self.path / "metrics.csv").open(encoding="utf-8", newline="") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def load_run(path: str | Path, *, backend: str | None = None) -> Run:
    """Re-open a run folder.

    Args:
        path: the folder that `train` wrote.
        backend: framework to run the model on; else the run's own, if it is installed, or the first that is.
            The model of a torch module needs torch.

    Raises:
        ConfigError: no such folder, or no finished run in it.

    Example:
        >>> run = load_run("runs/glyphs-1")  # doctest: +SKIP
    """
    folder = Path(path)
    for name in ("config.yaml", "report.json", "model.keras"):
        if not (folder / name).is_file():
            if name != "config.yaml" and (folder / "checkpoint").is_dir():
                raise ConfigError(
                    f"{path} is a run that has not finished; continue it: nearfar train --resume --out {path}"
                )
            raise ConfigError(f"{path} holds no {name}; expected a run folder that `nearfar train` wrote.")
    config = TrainConfig.load(folder / "config.yaml")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    from .backend import bound_backend, select_backend

    own = config.backend if config.backend and importlib.util.find_spec(config.backend) else None
    select_backend(backend or bound_backend() or own)
    import keras

    model_name = str(config.model)
    if ":" in model_name:
        from .models import build_model

        shape = tuple(report["run"]["preparation"]["shape"])
        model = build_model(model_name, shape, config.model_options, config.embedding_dim)
        model.load_weights(folder / "model.keras")
    else:
        model = keras.saving.load_model(folder / "model.keras", compile=False)
    return Run(folder, config, model, report)


def load_data(config: TrainConfig) -> DataSet:
    """The data that a configuration names, split as it says."""
    return load(
        config.data,
        split=cast(Any, config.split),  # checked there
        test_fraction=config.test_fraction,
        label=config.label,
        image_size=config.image_size,
        skip_unreadable=config.skip_unreadable,
        skip_single=config.skip_single,
        seed=config.seed,
        limit=config.limit,
    )
