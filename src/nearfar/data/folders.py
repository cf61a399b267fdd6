"""A folder of class folders of images."""

import os
import warnings
from pathlib import Path

import numpy as np

from .files import open_files
from .samples import DataError, Source

__all__ = ["SUFFIXES", "read"]

SUFFIXES = tuple(
    f".{kind}"
    for kind in "png jpg jpeg jpe jfif bmp gif webp tif tiff pgm ppm pbm pnm jp2 avif tga".split()  # noqa: SIM905
)
_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")  # the first that exists is measured


def read(root: Path, image_size: int | None, skip_unreadable: bool, cache_bytes: int) -> Source:
    """Find the images below `root`, and which part each belongs to; none is opened yet.

    Args:
        root: `root/<class>/.../<image>`, or the same below `root/train` and `root/test`.
        image_size: side in pixels, None for a size that suits the images.
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
    ids = [path.relative_to(root).as_posix() for path in paths]
    opener = open_files(root, paths, image_size, skip_unreadable, cache_bytes)
    # objects, not fixed-width text: one long name would widen a million others
    names = np.array(labels, dtype=object)
    return Source(root.name, "image", names, ids, np.array(in_test) if len(parts) == 2 else None, opener)


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
        for place, inner, files in os.walk(folder, followlinks=True):
            inner[:] = sorted(name for name in inner if not _hidden(name))
            images = sorted(name for name in files if not _hidden(name) and _is_image(name))
            found += [(folder.name, Path(place, name)) for name in images]
        if len(found) == before:
            without.append(folder.name)
    if found and without:
        more = f" and {len(without) - 3} more" if len(without) > 3 else ""
        warnings.warn(f"{root}: no images in {', '.join(without[:3])}{more}; not classes.", stacklevel=4)
    return found


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _nothing_found(root: Path) -> DataError:
    loose = [entry.name for entry in os.scandir(root) if _is_image(entry.name)]
    if loose:
        return DataError(
            f"{root} holds {len(loose)} images but no class folders; put each image in a folder named after "
            f"its class, {root.name}/<class>/{sorted(loose)[0]}."
        )
    return DataError(
        f"{root} is a folder without data: expected IDX files as MNIST names them "
        f"(train-images-idx3-ubyte.gz) or class folders of images ({root.name}/<class>/<image>.png)."
    )
