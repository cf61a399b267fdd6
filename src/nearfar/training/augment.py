"""Random affine changes to a batch of images, in NumPy, so that all backends see the same ones."""

import numpy as np

__all__ = ["random_affine"]


def random_affine(
    images: np.ndarray,
    rng: np.random.Generator,
    strength: float = 1.0,
    *,
    part: slice = slice(None),
    whole: int | None = None,
) -> np.ndarray:
    """Each image rotated, sheared, scaled and shifted a little, each by its own draw.

    At strength 1 the standard deviations are 4.6 degrees of rotation, 0.1 of shear, 8 % of scale (each axis
    its own) and 1/24 of the side of shift. Pixels between four others are their bilinear mean; beyond the
    border its pixels repeat.

    Args:
        images: `(n, height, width, channels)` floats, at least 2 x 2 pixels.
        rng: the source of chance.
        strength: of all changes alike; 0 leaves the images as they are.
        part: which rows of a larger batch the images are, with `whole`; they change as they would within it.
        whole: how many rows that batch has; by default there are no other images.

    Returns:
        `(n, height, width, channels)` of the same dtype.

    Example:
        >>> random_affine(np.ones((2, 8, 8, 1), np.float32), np.random.default_rng(0)).shape
        (2, 8, 8, 1)
    """
    count, height, width, channels = images.shape
    angle, shear, scale_x, scale_y, shift_x, shift_y = (
        rng.normal(0.0, strength * deviation, (whole or count, 1)).astype(np.float32)[part]
        for deviation in (0.08, 0.1, 0.08, 0.08, width / 24, height / 24)
    )
    cos, sin = np.cos(angle), np.sin(angle)
    scale_x, scale_y = np.exp(scale_x), np.exp(scale_y)
    y, x = (
        (axis.ravel() - (size - 1) / 2).astype(np.float32)
        for axis, size in zip(np.indices((height, width)), (height, width), strict=True)
    )
    # where each pixel comes from
    from_x = scale_x * cos * x + (shear - sin) * y + shift_x + np.float32((width - 1) / 2)
    from_y = sin * x + scale_y * cos * y + shift_y + np.float32((height - 1) / 2)
    np.clip(from_x, 0, width - 1.001, out=from_x)
    np.clip(from_y, 0, height - 1.001, out=from_y)
    left, top = from_x.astype(np.int32), from_y.astype(np.int32)
    along_x, along_y = (from_x - left)[..., None], (from_y - top)[..., None]
    pixels = images.reshape(-1, channels)
    corner = np.arange(count, dtype=np.int32)[:, None] * (height * width) + top * width + left
    upper = pixels[corner] * (1 - along_x) + pixels[corner + 1] * along_x
    lower = pixels[corner + width] * (1 - along_x) + pixels[corner + width + 1] * along_x
    return (upper * (1 - along_y) + lower * along_y).reshape(images.shape).astype(images.dtype, copy=False)
