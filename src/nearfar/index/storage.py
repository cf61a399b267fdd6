"""An index in a folder: open formats, checksums, and either the old index or the new one, never half of one.

`index.json` names the other files, with their sizes and SHA-256, and holds its own checksum. The names of the
other files carry part of their checksum, so that a new save writes beside the old files; renaming
`index.json` is what puts the new ones in force, and only then are the old ones deleted.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .parquet import read_parquet, write_parquet

__all__ = ["FORMAT", "MANIFEST", "VERSION", "Stored", "load", "save"]

FORMAT, VERSION, MANIFEST = "nearfar-index", 1, "index.json"
_PARTS = {"embeddings": ".npy", "labels": ".npy", "payload": ".parquet"}


class Stored(NamedTuple):
    """What a folder held."""

    embeddings: NDArray[Any]  #: (n, d), memory-mapped
    labels: NDArray[Any] | None  #: (n,)
    payload: dict[str, NDArray[Any]]  #: columns of (n,)
    facts: dict[str, Any]  #: distance, backend, threshold and so on


def save(
    folder: str | os.PathLike[str],
    embeddings: NDArray[Any],
    labels: NDArray[Any] | None,
    payload: dict[str, NDArray[Any]],
    facts: dict[str, Any],
) -> None:
    """Write beside what is there, flush to the disk, and put it in force by one rename."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    if labels is not None:
        labels = _plain(labels)
    files = {"embeddings": _written(root, "embeddings", lambda path: _save_array(path, embeddings))}
    if labels is not None:
        files["labels"] = _written(root, "labels", lambda path: _save_array(path, labels))
    if payload:
        files["payload"] = _written(root, "payload", lambda path: write_parquet(path, payload))
    manifest = {"format": FORMAT, "version": VERSION, "rows": len(embeddings), "files": files, **facts}
    manifest["checksum"] = _checksum(manifest)
    beside = root / f".{MANIFEST}.part"
    with open(beside, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, root / MANIFEST)
    _flush_folder(root)
    _delete_others(root, {entry["name"] for entry in files.values()})


def load(folder: str | os.PathLike[str], verify: bool) -> Stored:
    """Read a folder, or say which file is missing, foreign or damaged."""
    root = Path(folder)
    manifest = _manifest(root)
    try:
        return _load(root, manifest, verify)
    except FileNotFoundError:
        again = _manifest(root)
        if again == manifest:
            raise
        return _load(root, again, verify)  # a save has just replaced the files


def _load(root: Path, manifest: dict[str, Any], verify: bool) -> Stored:
    paths = {part: _checked(root, part, entry, verify) for part, entry in manifest["files"].items()}
    arrays: dict[str, NDArray[Any]] = {}
    for part in ("embeddings", "labels"):
        if part in paths:
            try:
                mode = "r" if part == "embeddings" and manifest["rows"] else None
                arrays[part] = np.load(paths[part], mmap_mode=mode, allow_pickle=False)
            except (ValueError, EOFError, OSError) as error:
                raise ValueError(f"{paths[part]} is not a NumPy array file ({error}); restore it.") from error
    payload = read_parquet(paths["payload"]) if "payload" in paths else {}
    for name, column in {**arrays, **payload}.items():
        if len(column) != manifest["rows"]:
            raise ValueError(
                f"{root}: {name} has {len(column)} rows; expected {manifest['rows']}, as {MANIFEST} says."
            )
    facts = {key: manifest[key] for key in ("distance", "backend", "options", "threshold", "calibration")}
    return Stored(arrays["embeddings"], arrays.get("labels"), payload, facts)


def _manifest(root: Path) -> dict[str, Any]:
    path = root / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; expected a folder that EmbeddingIndex.save wrote.")
    try:
        manifest = json.loads(path.read_bytes())
        foreign = manifest["format"] != FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the manifest of a nearfar index, or damaged; restore it.") from error
    if foreign:
        raise ValueError(f"{path} has format {manifest['format']!r}; expected {FORMAT!r}.")
    if manifest.get("version") != VERSION:
        raise ValueError(
            f"{path} has version {manifest.get('version')!r}; this nearfar reads {VERSION}: upgrade nearfar."
        )
    if manifest.get("checksum") != _checksum(manifest):
        raise ValueError(
            f"{path} is damaged: its checksum does not fit; restore it, or build the index again."
        )
    return manifest


def _checked(root: Path, part: str, entry: dict[str, Any], verify: bool) -> Path:
    path = root / Path(entry["name"]).name  # never outside the folder
    if part not in _PARTS or not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, which {MANIFEST} names; restore it, or build the index again."
        )
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise ValueError(f"{path} is damaged: it has {size} bytes; expected {entry['bytes']}.")
    if verify and _digest(path) != entry["sha256"]:
        raise ValueError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}; restore it.")
    return path


def _written(root: Path, part: str, write: Any) -> dict[str, Any]:
    beside = root / f".{part}.part"
    write(beside)
    with open(beside, "rb+") as file:
        os.fsync(file.fileno())
    digest = _digest(beside)
    name = f"{part}-{digest[:16]}{_PARTS[part]}"
    size = beside.stat().st_size
    os.replace(beside, root / name)
    return {"name": name, "bytes": size, "sha256": digest}


def _save_array(path: Path, array: NDArray[Any]) -> None:
    with open(path, "wb") as file:
        np.save(file, array, allow_pickle=False)


def _plain(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels in a dtype that a file can hold without pickle."""
    if labels.dtype.kind != "O":
        return labels
    values = labels.tolist()
    kinds = {type(value) for value in values}
    if kinds <= {str}:
        return np.array(values, dtype=str)
    array = np.array(values) if kinds <= {int, bool} else labels
    if array.dtype.kind not in "iub":
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"labels are of {names}; expected integers of 64 bits or strings, to be saved.")
    return array


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(manifest: dict[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _flush_folder(root: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(root, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _delete_others(root: Path, kept: set[str]) -> None:
    for part, ending in _PARTS.items():
        for path in [*root.glob(f"{part}-{'[0-9a-f]' * 16}{ending}"), *root.glob(f".{part}.part")]:
            if path.name not in kept:
                try:
                    path.unlink()
                except OSError:  # Windows keeps a file that is still memory-mapped; the next save deletes it
                    continue
