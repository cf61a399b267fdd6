"""The sets that need no file: `glyphs`, shipped with nearfar, and scikit-learn's `digits`."""

import lzma
from importlib import resources
from typing import Any

import numpy as np

from .arrays import from_arrays
from .samples import DataError, Preparation, RowIds, Source

__all__ = ["BUILTIN", "TYPEFACES"]

#: in the order of the array; GLYPHS.md names their authors and licences
TYPEFACES = (
    "AoyagiKouzanFontT",
    "AoyagiSosekiFont2",
    "BIZ UDMincho",
    "DotGothic16",
    "Konatu",
    "MotoyaLMaru W3 mono",
    "Rampart One",
    "Reggae One",
    "RocknRoll One",
    "Stick",
    "Yusei Magic",
    "SetoFont",
    "KouzanBrushFont",
    "KouzanBrushFontGyousyo",
    "kiloji",
    "Dejima Mincho",
)
_CHARACTERS, _TRAINING_CHARACTERS, _SIDE = 400, 250, 24


def glyphs(like: int | Preparation | None) -> Source:
    """400 characters in 16 typefaces, 24 x 24 grey; the last 150 characters are the test part."""
    raw = lzma.decompress(resources.files("nearfar.data").joinpath("glyphs.xz").read_bytes())
    characters = [chr(code) for code in np.frombuffer(raw, "<u2", _CHARACTERS)]
    packed = np.frombuffer(raw, np.uint8, offset=2 * _CHARACTERS).reshape(-1, _SIDE // 2, _SIDE)
    images = np.stack([packed >> 4, packed & 15], axis=2).reshape(-1, _SIDE, _SIDE) * np.uint8(17)
    code = np.repeat(np.arange(_CHARACTERS), len(TYPEFACES))
    ids = [f"{character}/{typeface}" for character in characters for typeface in TYPEFACES]
    return from_arrays("glyphs", images, np.array(characters)[code], ids, code >= _TRAINING_CHARACTERS, like)


def digits(like: int | Preparation | None) -> Source:
    """scikit-learn's 1,797 handwritten digits, 8 x 8 grey."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError("the digits come with scikit-learn: pip install 'nearfar[train]'.") from None
    found: Any = load_digits()
    images = (found.images / 16).astype(np.float32)
    return from_arrays("digits", images, found.target, RowIds("digits/", np.arange(len(images))), None, like)


BUILTIN = {"glyphs": glyphs, "digits": digits}
