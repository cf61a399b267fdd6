"""An embedding as the compact data that the viewer reads."""

import base64
import gzip
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .inputs import as_texts, class_codes
from .neighbors import Distance, nearest_neighbors
from .projections import project
from .sprite import grid

_SHEET = (
    2048  # pixels; phones refuse much larger pictures, and sheets are decoded only when they come into view
)
_PIXELS = 60_000_000  # of all thumbnails together, which keeps a file of 200,000 points below about 60 MB
_FEW = 64  # distinct numbers up to which a column of integers is read as categories
NAMES = {"pca": "PCA", "umap": "UMAP", "pacmap": "PaCMAP"}


class Pack:
    """Collects the parts of a viewer: one description in JSON, and the arrays and pictures it names."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []

    def array(self, values: NDArray[Any]) -> int:
        """Keep an array, little-endian and gzipped; the browser unpacks it."""
        little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        self.blobs.append(gzip.compress(little.tobytes(), 6, mtime=0))
        return len(self.blobs) - 1

    def integers(self, values: NDArray[Any], below: int) -> dict[str, int]:
        """Keep integers from 0 to `below` - 1 in as few bytes as they need."""
        width = 1 if below <= 2**8 else 2 if below <= 2**16 else 4
        return {"blob": self.array(values.astype(f"u{width}")), "width": width}

    def raw(self, data: bytes) -> int:
        """Keep bytes that are compressed already."""
        self.blobs.append(data)
        return len(self.blobs) - 1

    def html(self, description: Mapping[str, Any]) -> str:
        """The script elements that hold all of it; no text in them can end an element or begin another."""
        text = json.dumps(description, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        parts = [f'<script type="application/json" id="nearfar-data">{text}</script>']
        for number, blob in enumerate(self.blobs):
            kept = base64.b64encode(blob).decode("ascii")
            parts.append(f'<script type="application/octet-stream" id="nearfar-{number}">{kept}</script>')
        return "\n".join(parts)


def pack_space(
    pack: Pack,
    name: str,
    rows: NDArray[np.float32],
    methods: list[str],
    k: int,
    distance: Distance,
    seed: int,
) -> dict[str, Any]:
    """One embedding of the items: its layouts in the plane, and each item's nearest in the space itself."""
    layouts = []
    for method in methods:
        points = project(rows, method, seed=seed)
        layouts.append({"name": NAMES[method], "points": pack.array(points)})
    distances, positions = nearest_neighbors(rows, k, distance=distance)
    least, largest = float(distances.min(initial=0.0)), float(distances.max(initial=0.0))
    steps = (distances - least) / ((largest - least) or 1.0) * 65535
    return {
        "name": name,
        "dims": rows.shape[1],
        "layouts": layouts,
        "k": positions.shape[1],
        "neighbors": pack.integers(positions, len(rows)),
        # sixteen bits of the range are finer than the three digits shown
        "distances": pack.array(np.round(steps).astype(np.uint16)),
        "least": least,
        "largest": largest,
    }


def pack_column(pack: Pack, name: str, values: NDArray[Any], *, category: bool = False) -> dict[str, Any]:
    """One column: categories as codes, numbers as floats, any other text as it is."""
    number = values.dtype.kind in "fiu"
    if number and not category:
        distinct = len(np.unique(values))
        category = values.dtype.kind in "iu" and distinct <= _FEW
        if not category:
            floats = values.astype(np.float32)
            finite = floats[np.isfinite(floats)]
            low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
            whole = values.dtype.kind in "iu"
            return {
                "name": name,
                "kind": "number",
                "blob": pack.array(floats),
                "low": low,
                "high": high,
                "whole": whole,
            }
    texts = as_texts(values)
    names, codes = class_codes(values if number else np.array(texts, dtype=object))
    if not category and len(names) > max(_FEW, len(values) // 4):
        return {"name": name, "kind": "text", "texts": texts}
    return {
        "name": name,
        "kind": "category",
        "names": as_texts(np.array(names)) if number else [str(value) for value in names],
        **pack.integers(codes, len(names)),
    }


def thumbnail_side(rows: int, size: int | None) -> int:
    """The largest side, in pixels, at which so many thumbnails stay within the file's bounds."""
    return size or int(np.clip(np.sqrt(_PIXELS / max(rows, 1)), 8, 64))


def pack_sprite(pack: Pack, thumbnails: NDArray[np.uint8], ink: bool) -> dict[str, Any]:
    """Thumbnails on sheets of at most 2048 x 2048 pixels."""
    side = thumbnails.shape[1]
    columns = max(1, _SHEET // side)
    on_sheet = columns * columns
    sheets, kind = [], ""
    for start in range(0, len(thumbnails), on_sheet):
        part = thumbnails[start : start + on_sheet]
        kind, data = _encoded(grid(part, min(columns, len(part))), kind)
        sheets.append(pack.raw(data))
    columns = min(columns, len(thumbnails)) or 1
    return {"side": side, "columns": columns, "onSheet": on_sheet, "sheets": sheets, "type": kind, "ink": ink}


def _encoded(picture: NDArray[np.uint8], kind: str = "") -> tuple[str, bytes]:
    """A sheet as WebP, without loss for grey ones, or in the format `kind`; as PNG where Pillow has no WebP."""
    from PIL import Image, features

    image = Image.fromarray(picture)
    grey = picture.ndim == 2
    found: dict[str, bytes] = {}
    if kind != "image/png" and features.check("webp"):
        found["image/webp"] = _saved(
            image, "WEBP", **({"lossless": True} if grey else {"quality": 82}), method=4
        )
    if kind == "image/png" or not found or (grey and not kind):
        found["image/png"] = _saved(image, "PNG", optimize=True)
    kind = min(found, key=lambda name: len(found[name]))
    return kind, found[kind]


def _saved(image: Any, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
