"""Samples that are in memory already: images as they came, tables standardised."""

import numpy as np

from . import pictures
from .samples import DataError, Kind, Source, Store

__all__ = ["ImageStore", "TableStore", "from_arrays"]

_BLOCK = 65536


class ImageStore:
    """Images `(n, h, w, c)`, uint8 or float32 within 0 ... 1."""

    def __init__(self, images: np.ndarray):
        self.images = images
        self.shape = images.shape[1:]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """`(k, h, w, c)` float32 within 0 ... 1."""
        images = self.images[rows]
        return np.divide(images, 255, dtype=np.float32) if images.dtype == np.uint8 else images

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """Small uint8 pictures."""
        return pictures.thumbnails(pictures.to_bytes(self.images[rows]))


class TableStore:
    """Features `(n, f)`, float32."""

    def __init__(self, features: np.ndarray):
        self.features = features
        self.shape = features.shape[1:]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """`(k, f)` float32."""
        return self.features[rows]

    def thumbnails(self, rows: np.ndarray) -> None:
        """None: there is nothing to look at."""
        return None


def _usual_shape(images: np.ndarray) -> np.ndarray | None:
    """`(n, h, w)` or `(n, c, h, w)` as `(n, h, w, c)` with 1, 3 or 4 channels; None for other shapes."""
    if images.ndim == 3:
        return images[..., None]
    if images.ndim == 4 and images.shape[-1] in (1, 3, 4):
        return images
    return np.moveaxis(images, 1, -1) if images.ndim == 4 and images.shape[1] in (1, 3, 4) else None


def _open_images(images: np.ndarray, image_size: int | None):
    """How a `Source` opens images `(n, h, w, c)` of any numeric type."""

    def open(rows: np.ndarray, training: np.ndarray) -> tuple[Store, np.ndarray]:
        chosen = _scaled(images if _is_all(rows, len(images)) else images[rows])
        if image_size is not None and chosen.shape[1:3] != (image_size, image_size):
            chosen = pictures.resized(pictures.to_bytes(chosen), image_size)
        return ImageStore(chosen), np.ones(len(rows), bool)

    return open


def _open_table(features: np.ndarray):
    """How a `Source` opens a table `(n, f)`: standardised by the mean and deviation of the training rows."""

    def open(rows: np.ndarray, training: np.ndarray) -> tuple[Store, np.ndarray]:
        known = rows[training]
        mean = _mean(features, known)
        deviation = np.sqrt(_mean(features, known, about=mean))
        deviation[~(deviation > 1e-12 * np.abs(mean))] = 1  # a constant column becomes 0, not noise blown up
        standardised = np.empty((len(rows), features.shape[1]), np.float32)
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            standardised[block] = (features[rows[block]] - mean) / deviation
        return TableStore(standardised), np.ones(len(rows), bool)

    return open


def _mean(features: np.ndarray, rows: np.ndarray, about: np.ndarray | None = None) -> np.ndarray:
    total = np.zeros(features.shape[1])
    for start in range(
        0, len(rows), _BLOCK
    ):  # in blocks: float64 copies of the whole would double the memory
        block = features[rows[start : start + _BLOCK]].astype(np.float64)
        total += (block if about is None else np.square(block - about)).sum(axis=0)
    return total / len(rows)


def _scaled(images: np.ndarray) -> np.ndarray:
    # bytes stay bytes; anything else to 0 ... 1 by the range it shows
    if images.dtype == np.uint8:
        return images
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return ((images - low) / max(high - low, np.finfo(np.float32).tiny)).astype(np.float32)


def _is_all(rows: np.ndarray, n: int) -> bool:
    return len(rows) == n and bool((np.diff(rows) == 1).all())


def from_arrays(name: str, x: np.ndarray, labels: np.ndarray, ids, in_test, image_size: int | None) -> Source:
    """A source of arrays in memory: `(n, f)` is a table, `(n, h, w)` and `(n, h, w, c)` are images."""
    kind: Kind = "table" if x.ndim == 2 else "image"
    if kind == "table":
        return Source(name, kind, labels, ids, in_test, _open_table(x))
    images = _usual_shape(x)
    if images is None:
        raise DataError(
            f"{name}: x has shape {x.shape}; expected (n, features), (n, height, width) or "
            "(n, height, width, channels) with 1, 3 or 4 channels."
        )
    return Source(name, kind, labels, ids, in_test, _open_images(images, image_size))
