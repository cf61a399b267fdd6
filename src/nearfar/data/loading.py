"""`load`: find the kind of a source, split it, and check that an embedding can be learnt and measured."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from . import folders, idx, splits, tables
from .builtin import BUILTIN
from .samples import DataError, DataSet, How, Preparation, Samples, Source, Split, select

__all__ = ["KINDS", "load", "load_all"]

KINDS = (
    "a built-in set (glyphs, digits), a folder of IDX files, a folder of class folders of images, .npz, "
    ".csv, .tsv or .parquet"
)
_ANY = f"an image, a folder of images, {KINDS}"  # where no labels are needed
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
_FRACTION = 0.3


def load(
    source: str | Path,
    *,
    split: Split = "auto",
    test_fraction: float | None = None,
    label: str | None = None,
    image_size: int | None = None,
    skip_unreadable: bool = False,
    skip_single: bool = False,
    seed: int = 0,
    limit: int | None = None,
    cache_bytes: int = 1 << 30,
) -> DataSet:
    """A training and a test part of labelled images or feature rows.

    Sources:

    * `"glyphs"`: 400 characters in 16 typefaces, shipped with nearfar; the last 150 characters are not
      trained on.
    * `"digits"`: scikit-learn's 1,797 digits. (A folder of that name is `"./digits"`, or a `Path`.)
    * A folder of IDX files as MNIST names them, plain or `.gz`; its `train` and `t10k` parts are kept.
    * A folder of class folders of images. `train/` and `test/` (or `val/`) inside are kept as the parts.
      Images of one size with no side above 96 pixels stay as they are; others are scaled to a square as wide
      as their median longer side, 64 at most, aspect kept, the rest black. All grey images give one channel,
      otherwise three; transparent pixels become white. Pixels are read from disk when asked for and kept as
      bytes up to `cache_bytes`.
    * `.npz` with `x`, `(n, features)` or `(n, height, width[, channels])`, `y`, and optionally `split`.
      Images that are not bytes and reach beyond 0 ... 255 are scaled from their least to their greatest
      value.
    * `.csv`, `.tsv`, `.parquet`: numeric columns (numbers, or lists of one length; a list column named
      `embedding` is used alone), a label column, and optionally a column `split`.

    Args:
        source: built-in name or path.
        split: `"class"`, test classes are never trained on; `"sample"`, every class is in both parts;
            `"given"`, as the data says; `"auto"`, as the data says if it does, else by class for images of 20
            classes or more and where no class has four samples, else by sample. By sample, a class of fewer
            than four samples trains only. Given parts that share no class are a split by class.
        test_fraction: share of the classes, or of each class's samples, in the test part, 0 ... 1, drawn at
            random also where the data says otherwise. When left out 0.3, if the data does not say.
        label: a table's label column; `label` when left out.
        image_size: pixels; images become squares of this side, aspect kept, the rest black.
        skip_unreadable: leave out images that cannot be read, with one warning, instead of raising.
        skip_single: leave out classes with a single sample, with one warning, instead of raising.
        seed: of the random split and of `limit`.
        limit: at most so many samples in each part, spread evenly over classes (over `limit // 4` of them
            where there are more), for a quick try.
        cache_bytes: how much decoded image data a folder may keep in memory; 0 reads from disk each time. A
            folder that fits is decoded, and so checked, at once.

    Returns:
        The two parts.

    Raises:
        DataError: in one sentence, whatever keeps the data from being used.

    Example:
        >>> from nearfar.data import load
        >>> data = load("glyphs")
        >>> len(data.train), len(data.test), data.train.shape, data.split
        (4000, 2400, (24, 24, 1), 'class')
    """
    if split not in get_args(Split):
        raise DataError(f"split is {split!r}; expected one of {', '.join(get_args(Split))}.")
    if test_fraction is not None and not 0 < test_fraction < 1:
        raise DataError(f"test_fraction is {test_fraction}; expected a share between 0 and 1, e.g. 0.3.")
    if image_size is not None and image_size < 1:
        raise DataError(f"image_size is {image_size}; expected a side in pixels, 1 or more.")
    if limit is not None and limit < 4:
        raise DataError(f"limit is {limit}; expected at least 4, two samples of two classes.")
    if seed < 0:
        raise DataError(f"seed is {seed}; expected 0 or more.")
    found = _find(source, label, image_size, skip_unreadable, cache_bytes)
    codes, names = _encode(found)
    rows = _without_singles(found, codes, names) if skip_single else np.arange(len(codes))
    how, parts = _split(found, codes, names, rows, split, test_fraction, np.random.default_rng([seed, 0]))
    if limit is not None:
        parts = splits.limited(parts, codes, limit, np.random.default_rng([seed, 1]))
    return _open(found, codes, names, parts, how)


def load_all(
    source: str | Path,
    *,
    like: Preparation | None = None,
    label: str | None = None,
    image_size: int | None = None,
    skip_unreadable: bool = False,
    cache_bytes: int = 1 << 30,
) -> Samples:
    """Every sample of a source as one part, with or without labels: what a trained model is to embed.

    Args:
        source: as for `load`; also one image, or a folder of images without class folders.
        like: `preparation` of the samples that the model was trained on; the samples are brought to the same
            shape, and tables are standardised by the same mean and deviation. Without it they are prepared by
            themselves.
        label: a table's label column; `label`, if there is one, when left out.
        image_size: pixels, as for `load`; not used with `like`.
        skip_unreadable: leave out images that cannot be read, with one warning, instead of raising.
        cache_bytes: as for `load`.

    Returns:
        The samples, in the order of the source. Where the data has no labels all are -1, and `class_names` is
        empty.

    Raises:
        DataError: in one sentence, whatever keeps the data from being used.

    Example:
        >>> from nearfar.data import load, load_all
        >>> train = load("digits", image_size=24).train
        >>> load_all("glyphs", like=train.preparation)
        Samples(6400 of shape (24, 24, 1) in 400 classes)
    """
    found = _find(
        source, label, image_size if like is None else like, skip_unreadable, cache_bytes, labelled=False
    )
    count = len(found.ids)
    if not count:
        raise DataError(f"{found.name} holds no samples.")
    codes, names = (np.full(count, -1), ()) if found.labels is None else _encode(found)
    store, readable = found.open(np.arange(count), np.ones(count, bool))
    kept = np.flatnonzero(readable)
    return Samples(store, kept, codes[kept], names, select(found.ids, kept))


def _find(
    source: str | Path,
    label: str | None,
    like: int | Preparation | None,
    skip_unreadable: bool,
    cache_bytes: int,
    *,
    labelled: bool = True,
) -> Source:
    if isinstance(source, str) and source in BUILTIN:
        return BUILTIN[source](like)
    path = Path(source).expanduser()
    try:
        if not path.exists():
            raise DataError(f"{source} does not exist; expected {KINDS if labelled else _ANY}.")
        if path.is_dir():
            return _find_in_folder(path, like, skip_unreadable, cache_bytes, labelled)
        if path.suffix.lower() == ".npz":
            return tables.read_npz(path, like, labelled=labelled)
        if path.name.lower().endswith(_TABLES):
            prepared = like if isinstance(like, Preparation) else None
            return tables.read_table(path, label, prepared, labelled=labelled)
        if not labelled and folders.is_image(path.name):
            return folders.read_unlabelled(path, like, skip_unreadable, cache_bytes)
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}.") from None
    raise DataError(f"{source} is no known kind of data; expected {KINDS if labelled else _ANY}.")


def _find_in_folder(
    path: Path, like: int | Preparation | None, skip_unreadable: bool, cache_bytes: int, labelled: bool
) -> Source:
    if not any(path.iterdir()):
        raise DataError(f"{path} is an empty folder; expected {KINDS}.")
    if idx.holds_idx(path):
        return idx.read(path, like)
    read = folders.read if labelled else folders.read_unlabelled
    return read(path, like, skip_unreadable, cache_bytes)


def _encode(found: Source) -> tuple[np.ndarray, tuple[str, ...]]:
    labels = np.asarray(found.labels)
    if not len(labels):
        raise DataError(f"{found.name} holds no samples; expected at least two of each of two classes.")
    empty = {"f": np.isnan, "O": lambda x: x == "", "U": lambda x: x == "", "S": lambda x: x == b""}
    missing = np.flatnonzero(empty[labels.dtype.kind](labels)) if labels.dtype.kind in empty else []
    if len(missing):
        raise DataError(
            f"{found.name}: the label of {found.ids[int(missing[0])]} is missing; fill it or drop it."
        )
    if labels.dtype.kind == "f" and (labels == np.rint(labels)).all() and np.abs(labels).max() < 2**53:
        labels = labels.astype(np.int64)
    try:
        values, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        raise DataError(
            f"{found.name}: labels mix text and numbers; make all of them one or the other."
        ) from None
    names = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]
    return codes.reshape(-1).astype(np.int64), tuple(names)


def _without_singles(found: Source, codes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    # where the data gives the parts, it is the training part that needs two
    counted = codes if found.in_test is None else codes[~found.in_test]
    single = np.bincount(counted, minlength=len(names)) == 1
    if single.any():
        first = names[int(single.argmax())]
        warnings.warn(
            f"{found.name}: {single.sum()} classes with a single sample are left out, e.g. {first!r}.",
            stacklevel=3,
        )
    return np.flatnonzero(~single[codes])


def _split(
    found: Source,
    codes: np.ndarray,
    names: tuple[str, ...],
    rows: np.ndarray,
    split: Split,
    fraction: float | None,
    rng: np.random.Generator,
) -> tuple[How, list[np.ndarray]]:
    present, local = np.unique(codes[rows], return_inverse=True)
    own = [names[code] for code in present]
    in_test = None if found.in_test is None or fraction is not None else found.in_test[rows]
    how = splits.choose(split, found.kind, np.bincount(local), in_test is not None)
    if how == "given" and in_test is None:
        if fraction is not None:
            raise DataError("parts as given have sizes of their own; leave the test fraction out.")
        raise DataError(
            f"{found.name} does not say which samples are for testing; use --split class or sample."
        )
    unseen = in_test is not None and not np.intersect1d(local[in_test], local[~in_test]).size
    if in_test is not None and (how == "given" or (how == "class" and unseen)):
        how, test = "class" if unseen else "given", in_test
    else:
        splits.check_training_classes(local, own, select(found.ids, rows), "data")
        draw = splits.by_class if how == "class" else splits.by_sample
        test = draw(local, own, fraction or _FRACTION, rng)
    return how, [rows[~test], rows[test]]


def _open(
    found: Source, codes: np.ndarray, names: tuple[str, ...], parts: list[np.ndarray], how: How
) -> DataSet:
    rows = np.sort(np.concatenate(parts))
    training = np.isin(rows, parts[0], assume_unique=True)
    ids = select(found.ids, rows)
    splits.check_training_classes(
        codes[rows[training]], names, select(ids, np.flatnonzero(training)), "training part"
    )
    store, readable = found.open(rows, training)
    for_training, for_testing = np.flatnonzero(training & readable), np.flatnonzero(~training & readable)
    if not readable.all():
        splits.check_training_classes(
            codes[rows[for_training]], names, select(ids, for_training), "training part"
        )
    if not (np.bincount(codes[rows[for_testing]], minlength=1) > 1).any():
        raise DataError(
            f"{found.name}: no class has two of the {len(for_testing)} samples of the test part, so nothing "
            "can be measured; add samples or choose another split (--split class or sample)."
        )
    present = np.unique(codes[rows[readable]])
    trained = np.isin(present, codes[rows[for_training]])
    order = np.concatenate([present[trained], present[~trained]])
    recoded = np.empty(len(names), np.int64)
    recoded[order] = np.arange(len(order))
    class_names = tuple(names[code] for code in order)
    train, test = (
        Samples(store, chosen, recoded[codes[rows[chosen]]], class_names, select(ids, chosen))
        for chosen in (for_training, for_testing)
    )
    return DataSet(found.name, found.kind, how, train, test)
