"""What the pictures take in: embeddings, labels, columns and images, as plain NumPy arrays."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]


def as_array(values: Any) -> NDArray[Any]:
    """Any framework's tensor, or a sequence, as a NumPy array."""
    if hasattr(
        values, "detach"
    ):  # a torch tensor that needs a gradient, or lies on a device, refuses np.asarray
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):
            values = values.float()
    return np.asarray(values)


def as_embeddings(embeddings: Any, name: str = "embeddings") -> NDArray[np.float32]:
    """Embeddings as an (n, d) float32 array.

    Raises:
        ValueError: for another rank, or NaN or infinity in a row.
    """
    array = as_array(embeddings)
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; expected (n, d), one row an item.")
    array = np.ascontiguousarray(array, dtype=np.float32)
    broken = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(broken):
        raise ValueError(
            f"{name} has NaN or infinity in {len(broken)} of {len(array)} rows (first: row {broken[0]}); "
            f"expected finite numbers, so leave those rows out."
        )
    return array


def as_labels(labels: Any, rows: int) -> NDArray[Any]:
    """Labels as an array of shape (n,); a last axis of one is squeezed.

    Raises:
        ValueError: where their number is not `rows`.
    """
    array = as_array(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (rows,):
        raise ValueError(
            f"labels has shape {array.shape} but embeddings has {rows} rows; "
            f"expected labels of shape ({rows},)."
        )
    if array.dtype.kind == "S" or (array.dtype.kind == "O" and any(isinstance(v, bytes) for v in array.flat)):
        array = np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in array])
    return array


def class_codes(labels: NDArray[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The distinct labels, sorted, and for each row the position of its own.

    Mixed types, which do not compare, are sorted by their text.
    """
    if labels.dtype.kind == "O":
        labels = np.array([str(v) for v in labels], dtype=str)
    values, codes = np.unique(labels, return_inverse=True)
    return values.tolist(), codes.reshape(-1).astype(np.int64)


def as_columns(metadata: Mapping[str, Any] | None, rows: int) -> Columns:
    """Metadata columns as arrays of shape (n,), in the order given.

    Args:
        metadata: column name to one value a row (a dict, or a pandas table), or None.
        rows: the number of rows that each must have.

    Raises:
        ValueError: where a column has another number of rows.
    """
    columns: Columns = {}
    for name in metadata if metadata is not None else ():
        column = as_array(metadata[name])  # type: ignore[index]  # None has no names
        if column.shape != (rows,):
            raise ValueError(
                f"metadata column {name!r} has shape {column.shape} but embeddings has {rows} rows; "
                f"expected one value a row."
            )
        columns[str(name)] = column
    return columns


def as_thumbnails(images: Any, rows: int, size: int | None = None) -> NDArray[np.uint8]:
    """Images as square thumbnails of one size.

    Args:
        images: (n, h, w) or (n, h, w, channels) with 1, 3 or 4 channels, or a sequence of such arrays, Pillow
            images or encoded files (bytes). uint8 is taken as it is; booleans and floats in 0..1 are scaled
            by 255, other numbers from their own least and greatest to 0..255.
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
    pixels = _scaled(as_array(images)) if hasattr(images, "shape") else [_pixels(image) for image in images]
    pixels = [_without_alpha(image) for image in pixels]
    side = max(max(image.shape[:2]) for image in pixels)
    side = min(side, size) if size else side
    colour = any(image.ndim == 3 for image in pixels)
    out = np.zeros((rows, side, side, 3) if colour else (rows, side, side), np.uint8)
    for tile, image in zip(out, pixels, strict=True):
        image = _reduced(image, side)
        top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
        place = tile[top : top + image.shape[0], left : left + image.shape[1]]
        place[...] = image[..., None] if colour and image.ndim == 2 else image
    return out


def is_ink(thumbnails: NDArray[np.uint8]) -> bool:
    """Whether the images are grey drawings on a ground of 0, which a picture may draw in other colours."""
    if thumbnails.ndim != 3 or not thumbnails.size:
        return False
    border = np.concatenate(
        [thumbnails[:, 0], thumbnails[:, -1], thumbnails[:, :, 0], thumbnails[:, :, -1]], axis=1
    )
    return float((border < 32).mean()) > 0.8


def _pixels(image: Any) -> NDArray[np.uint8]:
    if isinstance(image, bytes | bytearray | memoryview):
        from PIL import Image

        image = Image.open(io.BytesIO(bytes(image)))
    if hasattr(image, "convert"):  # a Pillow image
        image = image.convert("L" if image.mode in ("1", "L", "I", "F", "I;16", "LA") else "RGBA")
    return _scaled(as_array(image)[None])[0]


def _scaled(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The same images as uint8."""
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3, 4)):
        raise ValueError(
            f"images has shape {array.shape}; expected (n, h, w) or (n, h, w, channels), "
            f"with 1, 3 or 4 channels."
        )
    if array.dtype == np.uint8:
        return array
    array = array.astype(np.float32)
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return np.nan_to_num((array - low) * (255 / max(high - low, 1e-12))).round().clip(0, 255).astype(np.uint8)


def _without_alpha(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) for grey, (h, w, 3) for colour; what is transparent becomes white."""
    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return image[..., 0]
    if image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        image = (image[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return image


def _reduced(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    from PIL import Image

    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.LANCZOS))


def as_texts(values: Sequence[Any] | NDArray[Any]) -> list[str]:
    """Each value as text: what is missing as an empty text, whole floats as they print."""
    array = as_array(values)
    if array.dtype.kind == "f":
        digits = 6 if array.dtype.itemsize <= 4 else 10
        return ["" if np.isnan(v) else f"{v:.{digits}g}" for v in array.tolist()]
    return ["" if v is None or (isinstance(v, float) and np.isnan(v)) else _text(v) for v in array.tolist()]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
