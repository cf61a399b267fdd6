"""Many thumbnails packed into one picture."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def grid(thumbnails: NDArray[np.uint8], columns: int | None = None) -> NDArray[np.uint8]:
    """Thumbnails side by side, row after row.

    Args:
        thumbnails: (n, s, s) or (n, s, s, 3) uint8.
        columns: how many to a row. None: as many as rows, so that the picture is square.

    Returns:
        One picture, (rows * s, columns * s) or (rows * s, columns * s, 3); places left over are 0.

    Example:
        >>> grid(np.zeros((5, 8, 8), np.uint8)).shape
        (24, 24)
    """
    count, side = thumbnails.shape[:2]
    square = columns is None
    columns = columns or max(1, math.isqrt(max(count - 1, 0)) + 1)
    rows = columns if square else max(1, -(-count // columns))
    full = np.zeros((rows * columns, *thumbnails.shape[1:]), np.uint8)
    full[:count] = thumbnails
    channels = thumbnails.shape[3:]
    table = full.reshape(rows, columns, side, side, *channels)
    return table.swapaxes(1, 2).reshape(rows * side, columns * side, *channels)


def save_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a grey or colour picture as PNG."""
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG", optimize=True)
