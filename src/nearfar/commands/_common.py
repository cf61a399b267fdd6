"""What the commands that open a run share: arguments, the run's saved embeddings, and pictures as PNG."""

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from . import UsageError

if TYPE_CHECKING:
    from ..data import Samples
    from ..training.run import Run

__all__ = [
    "Parser",
    "Saved",
    "add_distance",
    "numbers",
    "one_embedding",
    "png",
    "saved",
    "source_options",
    "thumbnails",
]


class Parser(argparse.ArgumentParser):
    """Arguments of a command; a wrong one is a `UsageError` of one sentence."""

    def __init__(self, command: str, description: str, epilog: str):
        super().__init__(
            prog=f"nearfar {command}", description=description, epilog=epilog, allow_abbrev=False
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UsageError(f"{message}; see `{self.prog} --help`.")


class Saved(NamedTuple):
    """A run's own embeddings, as it saved them, of one part or all."""

    embeddings: np.ndarray  #: (n, d) float32
    labels: np.ndarray  #: (n,) str
    ids: list[str]  #: where each came from
    images: list[bytes] | None  #: PNG


def saved(run: str | Path, split: str) -> Saved:
    """The embeddings that a run saved, without loading its model.

    Args:
        run: the folder.
        split: `"test"`, `"train"` or `"all"`.

    Raises:
        ConfigError: no finished run there.
    """
    from ..training import ConfigError, TrainConfig
    from ..training.run import Run

    folder = Path(run)
    for name in ("config.yaml", "report.json", "embeddings.parquet"):
        if not (folder / name).is_file():
            raise ConfigError(f"{run} holds no {name}; expected the folder of a finished `nearfar train`.")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found = Run(folder, TrainConfig.load(folder / "config.yaml"), None, report).embeddings()
    rows = np.flatnonzero(np.ones(len(found.split), bool) if split == "all" else found.split == split)
    if not len(rows):
        raise ConfigError(f"{run} saved no embeddings of its {split} part; choose another --split.")
    images = None if found.images is None else [found.images[row] for row in rows]
    return Saved(found.embeddings[rows], found.labels[rows], [found.ids[row] for row in rows], images)


def add_distance(parser: argparse.ArgumentParser) -> None:
    """The option `--distance`."""
    from ..evaluation.distances import NAMES

    parser.add_argument(
        "--distance", choices=NAMES, default="euclidean", help="between embeddings (%(default)s)"
    )


def source_options(parser: argparse.ArgumentParser) -> None:
    """Options of commands that run the model on other data."""
    parser.add_argument("--label", metavar="NAME", help="label column of a table")
    parser.add_argument("--skip-unreadable", action="store_true", help="leave out images that cannot be read")
    parser.add_argument(
        "--backend",
        choices=("torch", "jax", "tensorflow"),
        help="framework to run the model on; else the run's own",
    )


def numbers(kind: type) -> Any:
    """The type of an option that takes numbers with commas between."""

    def parse(text: str) -> tuple[Any, ...]:
        try:
            return tuple(kind(part) for part in text.split(","))
        except ValueError:
            example = "1,5,10" if kind is int else "0.1,0.01"
            raise argparse.ArgumentTypeError(f"{text!r} given; expected numbers such as {example}") from None

    return parse


def one_embedding(run: "Run", path: str) -> tuple[np.ndarray, "Samples"]:
    """The (1, d) embedding of a file that holds one sample, and that sample.

    Raises:
        UsageError: it holds more.
        DataError: it cannot be read.
    """
    samples = run.read(path)
    if len(samples) != 1:
        raise UsageError(f"{path} holds {len(samples)} samples; expected one, such as an image file.")
    return run.embed(samples), samples


def png(image: np.ndarray) -> bytes:
    """A `(h, w)` or `(h, w, 3)` uint8 picture as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def thumbnails(samples: "Samples", rows: Sequence[int] | np.ndarray) -> list[bytes] | None:
    """PNG of some samples, or None where there is nothing to look at."""
    images = samples.thumbnails(rows)
    return None if images is None else [png(image) for image in images]
