"""Images read from disk when asked for, decoded in a few threads, kept as bytes up to a bound."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from . import pictures
from .samples import DataError, Opener, Preparation, Store

__all__ = ["FileStore", "open_files"]

_LARGEST_NATIVE, _LARGEST_USUAL = 96, 64  # pixels
_GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_ORIENTED = frozenset({"JPEG", "MPO", "WEBP"})  # asking other formats for EXIF decodes them whole
_BLOCK = 1024
_Result = TypeVar("_Result")


class _Failure(NamedTuple):
    reason: str


class _Form(NamedTuple):
    """What every image is brought to."""

    channels: int
    height: int
    width: int
    native: bool  #: all files have this size already

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def mode(self) -> str:
        return pictures.MODES[self.channels]


class FileStore:
    """Images in files, one form for all.

    Only the rows below a fixed number are ever cached, so threads need no lock and copies in other processes
    none of the cache.
    """

    def __init__(self, paths: Sequence[Path], form: _Form, cache_bytes: int):
        self.preparation = Preparation(form.shape)
        self._paths, self._form = paths, form
        self._capacity = min(len(paths), max(0, cache_bytes) // int(np.prod(form.shape)))
        self._forget()

    def _forget(self) -> None:
        self._cache = np.empty(
            (self._capacity, *self._form.shape), np.uint8
        )  # pages are taken as they are filled
        self._cached = np.zeros(len(self._paths), bool)

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name not in ("_cache", "_cached")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._forget()

    @property
    def fits(self) -> bool:
        """Whether the cache can hold every image."""
        return self._capacity == len(self._paths)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """`(k, h, w, c)` float32 within 0 ... 1."""
        return np.divide(self._bytes(rows), 255, dtype=np.float32)

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """Small uint8 pictures."""
        return pictures.thumbnails(self._bytes(rows))

    def failures(self, rows: np.ndarray) -> dict[int, str]:
        """Decode every row once; those that cannot be, with the reason."""
        found = {}
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            for row, result in zip(block, self._decode(block), strict=True):
                if isinstance(result, _Failure):
                    found[int(row)] = result.reason
        return found

    def _bytes(self, rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows)
        out = np.empty((len(rows), *self._form.shape), np.uint8)
        cached = self._cached[rows]
        out[cached] = self._cache[rows[cached]]
        missing = np.flatnonzero(~cached)
        for place, result in zip(missing, self._decode(rows[missing]), strict=True):
            if isinstance(result, _Failure):
                raise _unreadable(str(self._paths[rows[place]]), result.reason)
            out[place] = result
        return out

    def _decode(self, rows: np.ndarray) -> list[np.ndarray | _Failure]:
        results = _in_threads(lambda path: _decoded(path, self._form), [self._paths[row] for row in rows])
        for row, result in zip(rows, results, strict=True):
            if row < self._capacity and not isinstance(result, _Failure):
                self._cache[row] = result
                self._cached[row] = True
        return results


def open_files(
    root: Path,
    paths: Sequence[Path],
    like: int | Preparation | None,
    skip_unreadable: bool,
    cache_bytes: int,
) -> Opener:
    """How a `Source` opens files: every header is looked at, and the pixels too where they fit the cache.

    Args:
        root: for names in messages.
        paths: all files of the source.
        like: side in pixels, the preparation of other data, or None for a size that suits the images.
        skip_unreadable: leave out instead of raising; then every image is decoded once.
        cache_bytes: bytes of decoded images that may be kept.
    """

    def open(rows: np.ndarray, training: np.ndarray) -> tuple[Store, np.ndarray]:
        pictures.pillow()
        chosen = [paths[row] for row in rows]
        headers = _in_threads(_header, chosen)
        failures = {row: found.reason for row, found in enumerate(headers) if isinstance(found, _Failure)}
        sound = [found for found in headers if not isinstance(found, _Failure)]
        if failures and (not skip_unreadable or not sound):
            row, reason = next(iter(failures.items()))
            raise _unreadable(str(chosen[row]), reason, len(failures))
        store = FileStore(chosen, _form(sound, like), cache_bytes)
        if store.fits or skip_unreadable:
            failures |= store.failures(
                np.array([row for row in range(len(chosen)) if row not in failures], int)
            )
        readable = np.ones(len(chosen), bool)
        if failures:
            row, reason = min(failures.items())
            if not skip_unreadable:
                raise _unreadable(str(chosen[row]), reason, len(failures))
            readable[list(failures)] = False
            warnings.warn(
                f"{root}: {len(failures)} of {len(chosen)} images cannot be read and are left out, the first "
                f"{chosen[row].relative_to(root).as_posix()} ({reason}).",
                stacklevel=4,
            )
        return store, readable

    return open


def _unreadable(path: str, reason: str, count: int = 1) -> DataError:
    more = f", and {count - 1} more with it" if count > 1 else ""
    return DataError(
        f"{path} cannot be read as an image ({reason}){more}; mend or remove it, or leave such images out "
        "(--skip-unreadable)."
    )


def _form(headers: Sequence[tuple[str, int, int]], like: int | Preparation | None) -> _Form:
    sizes = {(height, width) for _, height, width in headers}
    if isinstance(like, Preparation):
        height, width, channels = like.shape
        return _Form(channels, height, width, native=sizes == {(height, width)})
    channels = 1 if all(mode in _GREY for mode, _, _ in headers) else 3
    if like is None and len(sizes) == 1 and max(next(iter(sizes))) <= _LARGEST_NATIVE:
        return _Form(channels, *sizes.pop(), native=True)
    usual = int(np.median([max(height, width) for _, height, width in headers]))
    side = like or min(usual, _LARGEST_USUAL)
    return _Form(channels, side, side, native=False)


def _header(path: Path) -> tuple[str, int, int] | _Failure:
    # mode, height, width as it will be shown
    try:
        with pictures.pillow().open(path) as image:
            turned = image.format in _ORIENTED and image.getexif().get(0x0112, 1) >= 5
            width, height = reversed(image.size) if turned else image.size
            return image.mode, height, width
    except Exception as error:  # decoders raise whatever they like
        return _Failure(_reason(error))


def _decoded(path: Path, form: _Form) -> np.ndarray | _Failure:
    try:
        with pictures.pillow().open(path) as image:
            if not form.native:
                image.draft(form.mode, (form.width, form.height))  # JPEG decodes at a fraction of its size
            picture = pictures.flattened(image, form.mode, turn=image.format in _ORIENTED)
            if not form.native:
                picture = pictures.fit(picture, form.height, form.width)
            return np.asarray(picture).reshape(form.shape)
    except Exception as error:
        return _Failure(_reason(error))


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image that Pillow knows"
    return " ".join(str(error).split()) or type(error).__name__


def _in_threads(work: Callable[[Path], _Result], paths: Sequence[Path]) -> list[_Result]:
    workers = min(4, os.cpu_count() or 1, len(paths) // 8)
    if workers < 2:
        return [work(path) for path in paths]
    # a pool of its own each time: one that outlives a fork would wait for threads that are not there
    with ThreadPoolExecutor(workers) as pool:
        shares = [paths[start::workers] for start in range(workers)]
        done = list(pool.map(lambda share: [work(path) for path in share], shares))
    results: list = [None] * len(paths)
    for start, share in enumerate(done):
        results[start::workers] = share
    return results
