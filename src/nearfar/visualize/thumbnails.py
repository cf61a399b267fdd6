"""Images of any kind as small square pictures of one size."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .inputs import as_array

Scale = Callable[[NDArray[Any]], NDArray[np.uint8]]


def as_thumbnails(images: Any, rows: int, size: int | None = None) -> NDArray[np.uint8]:
    """Images as square thumbnails of one size.

    Args:
        images: (n, h, w) or (n, h, w, channels) with 1, 3 or 4 channels, or a sequence of such arrays, Pillow
            images, encoded files (bytes), or None for an item that has none. uint8 is taken as it is; numbers
            in 0..1 are scaled by 255, those that reach from 0 to 128 or more are taken as 0..255, and others
            are stretched from the least to the greatest of all images.
        rows: how many there must be.
        size: side in pixels; larger images are reduced to it, smaller ones kept. None: the larger side of the
            largest image.

    Returns:
        (n, side, side) uint8 where all are grey, else (n, side, side, 3). Images that are not square, or
        smaller than the side, are centred on a ground of 0.

    Raises:
        ValueError: for another number of images, or a shape that is not an image's.
    """
    if len(images) != rows:
        raise ValueError(
            f"images has {len(images)} entries but embeddings has {rows} rows; expected one image a row."
        )
    if not rows:
        return np.zeros((0, size or 1, size or 1), np.uint8)
    entries = (
        as_array(images) if hasattr(images, "shape") and as_array(images).dtype != object else list(images)
    )
    scale = _scale(entries)
    # one at a time, so that the large images of a list are never all in memory
    small = [_reduced(_pixels(image, scale), size) for image in entries]
    side = max(max(image.shape[:2]) for image in small)
    colour = any(image.ndim == 3 for image in small)
    out = np.zeros((rows, side, side, 3) if colour else (rows, side, side), np.uint8)
    for tile, image in zip(out, small, strict=True):
        top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
        place = tile[top : top + image.shape[0], left : left + image.shape[1]]
        place[...] = image[..., None] if colour and image.ndim == 2 else image
    return out


def taken(images: Any, kept: NDArray[np.int64]) -> Any:
    """The images at some positions, of an array or of a sequence."""
    return as_array(images)[kept] if hasattr(images, "shape") else [images[int(i)] for i in kept]


def is_ink(thumbnails: NDArray[np.uint8]) -> bool:
    """Whether the images are grey drawings on a ground of 0, which a picture may draw in other colours."""
    if thumbnails.ndim != 3 or not thumbnails.size:
        return False
    corners = thumbnails[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    return float((corners < 32).mean()) > 0.8 and float(np.median(thumbnails)) < 64


def _scale(entries: Any) -> Scale:
    """What brings the arrays among the images to uint8, the same for all of them."""
    arrays = [entries] if hasattr(entries, "shape") else [np.asarray(e) for e in entries if _is_array(e)]
    arrays = [array for array in arrays if array.size and array.dtype != np.uint8]
    low = min((float(np.nanmin(array)) for array in arrays), default=0.0)
    high = max((float(np.nanmax(array)) for array in arrays), default=1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and 128 <= high <= 255:
        low, high = 0.0, 255.0
    step = 255 / max(high - low, 1e-12)

    def scaled(array: NDArray[Any]) -> NDArray[np.uint8]:
        if array.dtype == np.uint8:
            return array
        return np.nan_to_num((array.astype(np.float32) - low) * step).round().clip(0, 255).astype(np.uint8)

    return scaled


def _is_array(image: Any) -> bool:
    return not (
        image is None or isinstance(image, bytes | bytearray | memoryview) or hasattr(image, "convert")
    )


def _pixels(image: Any, scale: Scale) -> NDArray[np.uint8]:
    """(h, w) for grey, (h, w, 3) for colour; what is transparent becomes white."""
    if image is None:
        return np.zeros((1, 1), np.uint8)
    if isinstance(image, bytes | bytearray | memoryview):
        from PIL import Image

        image = Image.open(io.BytesIO(bytes(image)))
    if hasattr(image, "convert"):  # a Pillow image
        image = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGBA"))
    pixels = scale(as_array(image))
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        return pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.float32) / 255
        return (pixels[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] == 3):
        raise ValueError(
            f"an image has shape {pixels.shape}; expected (h, w) or (h, w, channels) with 1, 3 or 4 channels."
        )
    return pixels


def _reduced(image: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = (size or max(height, width)) / max(height, width)
    if scale >= 1:
        return image
    from PIL import Image

    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.LANCZOS))
