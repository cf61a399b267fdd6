"""Pictures as arrays: flattening, resizing with the aspect kept, thumbnails. Pillow only where needed."""

from typing import TYPE_CHECKING

import numpy as np

from .samples import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MODES", "THUMBNAIL", "fit", "flattened", "pillow", "resized", "thumbnails", "to_bytes"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  #: of channels
THUMBNAIL = 32  #: pixels, the longest side of a thumbnail


def pillow():
    """`PIL.Image`, or one sentence that says how to get it."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError("reading or resizing images needs Pillow: pip install 'nearfar[train]'.") from None
    return Image


def fit(image: "Image", height: int, width: int) -> "Image":
    """Scaled to fit, aspect kept, and centred on black."""
    Image = pillow()
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    if size == (width, height):
        return image
    ground = Image.new(image.mode, (width, height))
    ground.paste(image, ((width - size[0]) // 2, (height - size[1]) // 2))
    return ground


def flattened(image: "Image", mode: str, *, turn: bool) -> "Image":
    """Any image as 8-bit `mode`, the right way up; transparent pixels white unless it has them."""
    Image = pillow()
    if turn:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    elif image.has_transparency_data and mode != "RGBA":
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image.convert(mode)


def _eight_bits(values: np.ndarray) -> np.ndarray:
    # 16-bit greys, or floats within 0 ... 1
    low, high = values.min(), values.max()
    scale = 255 if values.dtype.kind == "f" and high <= 1 else 1 if low >= 0 and high <= 255 else 255 / 65535
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)


def to_bytes(images: np.ndarray) -> np.ndarray:
    """uint8 of images that are uint8 or within 0 ... 1."""
    return images if images.dtype == np.uint8 else np.rint(images * 255).astype(np.uint8)


def resized(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """`(n, h, w, c)` uint8 as `(n, *shape)`, grey or colour as `shape` says."""
    Image = pillow()
    out = np.empty((len(images), *shape), np.uint8)
    mode = MODES[shape[2]]
    for place, pixels in zip(out, images, strict=True):
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        image = fit(flattened(image, mode, turn=False), *shape[:2])
        place[:] = np.asarray(image).reshape(shape)
    return out


def thumbnails(images: np.ndarray) -> np.ndarray:
    """`(n, h, w, c)` uint8 as `(n, h', w')` or `(n, h', w', 3)`, no side above `THUMBNAIL`."""
    height, width, channels = images.shape[1:]
    images = images[..., 0] if channels == 1 else images[..., :3]
    longest = max(height, width)
    if longest <= THUMBNAIL:
        return images
    Image = pillow()
    size = max(1, round(width * THUMBNAIL / longest)), max(1, round(height * THUMBNAIL / longest))
    small = [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)) for image in images]
    return np.stack(small) if small else np.empty((0, size[1], size[0], *images.shape[3:]), np.uint8)
