"""A folder of class folders of images."""

import os
import warnings
from pathlib import Path

import numpy as np

from .arrays import of_another_kind
from .files import open_files
from .samples import DataError, Preparation, Source

__all__ = ["SUFFIXES", "is_image", "read", "read_unlabelled"]

SUFFIXES = tuple(
    f".{kind}"
    for kind in "png jpg jpeg jpe jfif bmp gif webp tif tiff pgm ppm pbm pnm jp2 avif tga".split()  # noqa: SIM905
)
_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")  # the first that exists is measured


def read(root: Path, like: int | Preparation | None, skip_unreadable: bool, cache_bytes: int) -> Source:
    """Find the images below `root`, and which part each belongs to; none is opened yet.

    Args:
        root: `root/<class>/.../<image>`, or the same below `root/train` and `root/test`.
        like: side in pixels, the preparation of other data, or None for a size that suits the images.
        skip_unreadable: leave out images that cannot be read.
        cache_bytes: bytes of decoded images that may be kept.

    Raises:
        DataError: no image, or images without class folders.
    """
    parts = _parts(root)
    labels, paths, in_test = [], [], []
    for number, folder in enumerate(parts or [root]):
        for name, path in _images(folder):
            labels.append(name)
            paths.append(path)
            in_test.append(number == 1)
    if not paths:
        raise _nothing_found(root)
    # objects, not fixed-width text: one long name would widen a million others
    names = np.array(labels, dtype=object)
    given = np.array(in_test) if len(parts) == 2 else None
    return _source(root, paths, names, given, like, skip_unreadable, cache_bytes)


def read_unlabelled(
    path: Path, like: int | Preparation | None, skip_unreadable: bool, cache_bytes: int
) -> Source:
    """One image, or all images of a folder; without labels unless all are in class folders.

    Raises:
        DataError: no image.
    """
    if not path.is_dir():
        return _source(path.parent, [path], None, None, like, skip_unreadable, cache_bytes)
    loose = [path / name for name in _loose(path)]
    if not loose:
        return read(path, like, skip_unreadable, cache_bytes)
    paths = loose + [image for _, image in _images(path)]
    return _source(path, paths, None, None, like, skip_unreadable, cache_bytes)


def _source(
    root: Path,
    paths: list[Path],
    labels: np.ndarray | None,
    in_test: np.ndarray | None,
    like: int | Preparation | None,
    skip_unreadable: bool,
    cache_bytes: int,
) -> Source:
    name = root.resolve().name
    if isinstance(like, Preparation) and len(like.shape) != 3:
        raise of_another_kind(name, like)
    ids = [_text(path.relative_to(root).as_posix()) for path in paths]
    opener = open_files(root, paths, like, skip_unreadable, cache_bytes)
    return Source(name, "image", labels, ids, in_test, opener)


def _text(name: str) -> str:
    # file names need not be text; what is written later must be
    return os.fsencode(name).decode("utf-8", "replace")


def _parts(root: Path) -> list[Path]:
    folders = {folder.name.lower(): folder for folder in _folders(root)}
    training = [folders[name] for name in _TRAIN if name in folders]
    testing = [folders[name] for name in _TEST if name in folders]
    # classes may be called "train" and "test" too: parts hold class folders themselves
    if not (training and _folders(training[0])):
        return []
    if testing and _folders(testing[0]):
        unused = [folder.name for folder in testing[1:] if _folders(folder)]
        if unused:
            warnings.warn(
                f"{root}: {testing[0].name}/ is measured; {', '.join(unused)}/ is not used.", stacklevel=4
            )
        return [training[0], testing[0]]
    return [training[0]] if len(folders) == 1 else []


def _folders(root: Path) -> list[Path]:
    found = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    return [root / name for name in found if not _hidden(name)]


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _images(root: Path) -> list[tuple[str, Path]]:
    found, without = [], []
    for folder in _folders(root):
        before = len(found)
        for place, inner, files in os.walk(folder):  # a link inside may lead back
            inner[:] = sorted(name for name in inner if not _hidden(name))
            images = sorted(name for name in files if not _hidden(name) and is_image(name))
            found += [(_text(folder.name), Path(place, name)) for name in images]
        if len(found) == before:
            without.append(folder.name)
    if found and without:
        more = f" and {len(without) - 3} more" if len(without) > 3 else ""
        warnings.warn(f"{root}: no images in {', '.join(without[:3])}{more}; not classes.", stacklevel=4)
    return found


def _loose(root: Path) -> list[str]:
    return sorted(
        entry.name for entry in os.scandir(root) if is_image(entry.name) and not _hidden(entry.name)
    )


def is_image(name: str) -> bool:
    """Whether a file name ends as images do."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _nothing_found(root: Path) -> DataError:
    loose = _loose(root)
    if loose:
        return DataError(
            f"{root} holds {len(loose)} images but no class folders; put each image in a folder named after "
            f"its class, {root.name}/<class>/{loose[0]}."
        )
    return DataError(
        f"{root} is a folder without data: expected IDX files as MNIST names them "
        f"(train-images-idx3-ubyte.gz) or class folders of images ({root.name}/<class>/<image>.png)."
    )
