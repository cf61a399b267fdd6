"""Samples that are in memory already: images as they came, tables standardised."""

from collections.abc import Sequence

import numpy as np

from . import pictures
from .samples import DataError, Opener, Preparation, Source, Store

__all__ = ["ImageStore", "TableStore", "from_arrays"]

_BLOCK = 65536


class ImageStore:
    """Images `(n, h, w, c)`, uint8 or float32 within 0 ... 1."""

    def __init__(self, images: np.ndarray):
        self.images = images
        self.preparation = Preparation(images.shape[1:])

    def read(self, rows: np.ndarray) -> np.ndarray:
        """`(k, h, w, c)` float32 within 0 ... 1."""
        images = self.images[rows]
        return np.divide(images, 255, dtype=np.float32) if images.dtype == np.uint8 else images

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """Small uint8 pictures."""
        return pictures.thumbnails(pictures.to_bytes(self.images[rows]))


class TableStore:
    """Standardised features `(n, f)`, float32."""

    def __init__(self, features: np.ndarray, mean: np.ndarray, deviation: np.ndarray):
        self.features = features
        self.preparation = Preparation(features.shape[1:], mean, deviation)

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


def _open_images(images: np.ndarray, like: int | Preparation | None) -> Opener:
    def open(rows: np.ndarray, training: np.ndarray) -> tuple[Store, np.ndarray]:
        chosen = _scaled(images, rows)
        height, width, channels = chosen.shape[1:]
        if isinstance(like, Preparation):
            height, width, channels = like.shape
        elif like is not None:
            height = width = like
        if chosen.shape[1:] != (height, width, channels):
            chosen = pictures.resized(pictures.to_bytes(chosen), (height, width, channels))
        return ImageStore(chosen), np.ones(len(rows), bool)

    return open


def _open_table(features: np.ndarray, like: Preparation | None) -> Opener:
    def open(rows: np.ndarray, training: np.ndarray) -> tuple[Store, np.ndarray]:
        if like is not None and like.mean is not None and like.deviation is not None:
            mean, deviation = like.mean, like.deviation
        else:
            mean, deviation = _moments(features, rows[training])
        standardised = np.empty((len(rows), features.shape[1]), np.float32)
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            standardised[block] = (features[rows[block]] - mean) / deviation
        return TableStore(standardised, mean, deviation), np.ones(len(rows), bool)

    return open


def _moments(features: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = _mean(features, rows)
    deviation = np.sqrt(_mean(features, rows, about=mean))
    deviation[~(deviation > 1e-13 * np.abs(mean))] = 1  # a constant column becomes 0, not noise blown up
    return mean, deviation


def _mean(features: np.ndarray, rows: np.ndarray, about: np.ndarray | None = None) -> np.ndarray:
    total = np.zeros(features.shape[1])
    # in blocks: float64 copies of the whole would double the memory
    for start in range(0, len(rows), _BLOCK):
        block = features[rows[start : start + _BLOCK]].astype(np.float64)
        total += (block if about is None else np.square(block - about)).sum(axis=0)
    return total / len(rows)


def _scaled(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    # bytes stay bytes; anything else to 0 ... 1 by the range that all images show, not only the rows
    chosen = images if _is_all(rows, len(images)) else images[rows]
    if images.dtype == np.uint8:
        return chosen
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return ((chosen - low) / max(high - low, np.finfo(np.float32).tiny)).astype(np.float32)


def _is_all(rows: np.ndarray, n: int) -> bool:
    return len(rows) == n and bool((np.diff(rows) == 1).all())


def of_another_kind(name: str, like: Preparation) -> DataError:
    """The sentence for images where a model takes features, or the other way round."""
    if len(like.shape) == 1:
        return DataError(
            f"{name} holds images; expected a table of {like.shape[0]} features, as in training."
        )
    return DataError(f"{name} holds a table; expected images to be brought to {like.shape}, as in training.")


def from_arrays(
    name: str,
    x: np.ndarray,
    labels: np.ndarray | None,
    ids: Sequence[str],
    in_test: np.ndarray | None,
    like: int | Preparation | None,
) -> Source:
    """A source of arrays in memory: `(n, f)` is a table, `(n, h, w)` and `(n, h, w, c)` are images."""
    images = None if x.ndim == 2 else _usual_shape(x)
    if x.ndim != 2 and images is None:
        raise DataError(
            f"{name}: x has shape {x.shape}; expected (n, features), (n, height, width) or "
            "(n, height, width, channels) with 1, 3 or 4 channels."
        )
    if isinstance(like, Preparation) and (len(like.shape) == 1) != (images is None):
        raise of_another_kind(name, like)
    if images is not None:
        return Source(name, "image", labels, ids, in_test, _open_images(images, like))
    if isinstance(like, Preparation) and x.shape[1:] != like.shape:
        raise DataError(f"{name} has {x.shape[1]} features; expected {like.shape[0]}, as in training.")
    return Source(
        name, "table", labels, ids, in_test, _open_table(x, like if isinstance(like, Preparation) else None)
    )
