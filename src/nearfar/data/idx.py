"""Folders of IDX files, the format and the names of MNIST."""

import gzip
import re
import zlib
from pathlib import Path

import numpy as np

from .arrays import from_arrays
from .samples import DataError, Preparation, RowIds, Source

__all__ = ["holds_idx", "read", "read_idx"]

_NAME = re.compile(
    r"(?P<stem>.*?)[-._]?(?P<what>images|labels)[-._]idx\d(?:-ubyte)?(?P<gz>\.gz)?", re.IGNORECASE
)
_PART = re.compile(r"(?P<set>.*?)[-._]?(?P<part>train|t10k|test)", re.IGNORECASE)
_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def holds_idx(folder: Path) -> bool:
    """Whether a folder has files named as IDX images or labels."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def read(folder: Path, like: int | Preparation | None) -> Source:
    """The images and labels of a folder: `train-` and `t10k-` files as the two parts, or one pair alone.

    Raises:
        DataError: a file is missing, cut short or of another format, counts differ, or the folder has several
            sets.
    """
    pairs: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # so that a plain file takes the place of its .gz
        match = _NAME.fullmatch(path.name)
        if match:
            pairs.setdefault(match["stem"].lower(), {})[match["what"].lower()] = path
    named = {stem: _PART.fullmatch(stem) for stem in pairs}
    sets = {match["set"] if match else stem for stem, match in named.items()}
    if len(sets) > 1:
        raise DataError(
            f"{folder} holds several data sets ({', '.join(sorted(sets))}); move the files of one to a "
            "folder."
        )
    images, labels, in_test = [], [], []
    for stem, files in pairs.items():
        x, y = _pair(folder, stem, files)
        match = named[stem]
        images.append(x)
        labels.append(y)
        in_test.append(np.full(len(x), match is not None and match["part"].lower() != "train"))
    if len({x.shape[1:] for x in images}) > 1:
        shapes = " and ".join(str(x.shape[1:]) for x in images)
        raise DataError(f"{folder}: images of the parts differ in shape, {shapes}; expected one shape.")
    test = np.concatenate(in_test)
    ids = RowIds("row ", np.arange(len(test)))
    given = test if test.any() and not test.all() else None
    return from_arrays(folder.resolve().name, _joined(images), np.concatenate(labels), ids, given, like)


def _pair(folder: Path, stem: str, files: dict[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    for what in ("images", "labels"):
        if what not in files:
            there = next(iter(files.values())).name
            raise DataError(f"{folder} holds {there} but not its {what}; expected both files of the pair.")
    x, y = read_idx(files["images"]), read_idx(files["labels"])
    if x.ndim != 3 or y.ndim != 1:
        raise DataError(
            f"{folder}: {files['images'].name} has shape {x.shape} and {files['labels'].name} {y.shape}; "
            "expected (n, height, width) and (n,)."
        )
    if len(x) != len(y):
        raise DataError(
            f"{folder}: {files['images'].name} holds {len(x)} images but {files['labels'].name} {len(y)} "
            "labels; expected as many of each."
        )
    return x, y


def read_idx(path: Path) -> np.ndarray:
    """The array of one IDX file, plain or `.gz`.

    Raises:
        DataError: not an IDX file, or cut short.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is not a whole gzip file ({error}); fetch it again.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or len(data) < 4 + 4 * data[3]:
        raise DataError(f"{path} does not begin like an IDX file; fetch it again.")
    shape = tuple(int(side) for side in np.frombuffer(data, ">u4", data[3], 4))
    dtype = np.dtype(_TYPES[data[2]])
    start, expected = 4 + 4 * data[3], int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(data) - start != expected:
        raise DataError(
            f"{path} holds {len(data) - start} bytes of data but its header announces {shape}, {expected} "
            "bytes; it is cut short or damaged: fetch it again."
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
