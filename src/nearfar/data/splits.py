"""Which samples train and which are measured, and whether the classes allow it."""

from collections.abc import Sequence

import numpy as np

from .samples import DataError, How, Kind, Split

__all__ = ["by_class", "by_sample", "check_training_classes", "choose", "limited"]

_MANY_CLASSES = 20


def choose(split: Split, kind: Kind, counts: np.ndarray, given: bool) -> How:
    """What `"auto"` means: as the data says, else by class for images of many classes, else by sample.

    Args:
        split: what was asked for.
        kind: image or table.
        counts: samples of each class; where none has enough for a split by sample, it is by class.
        given: whether the data says which part a sample belongs to.
    """
    if split != "auto":
        return split
    if given:
        return "given"
    many = kind == "image" and len(counts) >= _MANY_CLASSES
    return "class" if many or (len(counts) >= 4 and counts.max() < 4) else "sample"


def by_class(
    codes: np.ndarray, names: Sequence[str], fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """`(n,)` bool, True in the test part: whole classes, drawn at random, at least two on either side."""
    if len(names) < 4:
        raise DataError(
            "a split by class needs at least four classes, two to train on and two unseen; the data has "
            f"{len(names)}: split by sample instead (--split sample)."
        )
    count = int(np.clip(round(fraction * len(names)), 2, len(names) - 2))
    unseen = np.zeros(len(names), bool)
    unseen[rng.permutation(len(names))[:count]] = True
    return unseen[codes]


def by_sample(
    codes: np.ndarray, names: Sequence[str], fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """`(n,)` bool, True in the test part: the same share of each class, at least two samples on either side.

    A class of fewer than four samples trains only.
    """
    counts = np.bincount(codes, minlength=len(names))
    quota = np.where(counts < 4, 0, np.clip(np.rint(fraction * counts), 2, counts - 2))
    if not quota.any():
        raise DataError(
            "a split by sample needs a class of at least four samples, two to train on and two to measure; "
            f"the largest, {names[int(counts.argmax())]!r}, has {counts.max()}: split by class instead "
            "(--split class)."
        )
    return _rank_in_class(codes, rng) < quota[codes]


def limited(
    parts: Sequence[np.ndarray], codes: np.ndarray, limit: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """At most `limit` rows of each part, spread evenly over classes; a class is left out rather than starved.

    Args:
        parts: row numbers of each part.
        codes: `(n,)` class of every row.
        limit: rows a part may keep.
        rng: the source of chance.
    """
    order = rng.permutation(
        int(codes.max()) + 1
    )  # shared, so that parts with the same classes keep the same ones
    kept = []
    for rows in parts:
        local = codes[rows]
        present = np.unique(local)
        chosen = present[np.argsort(order[present])][: max(2, limit // 4)]
        rows, local = rows[np.isin(local, chosen)], local[np.isin(local, chosen)]
        by_turns = np.lexsort((order[local], _rank_in_class(local, rng)))
        kept.append(np.sort(rows[by_turns[:limit]]))
    return kept


def check_training_classes(codes: np.ndarray, names: Sequence[str], ids: Sequence[str], what: str) -> None:
    """Raise unless there are two classes or more, each with two samples or more.

    Args:
        codes: `(n,)` classes.
        names: their names.
        ids: where each sample came from.
        what: `"data"` or `"training part"`, for the sentence.
    """
    counts = np.bincount(codes, minlength=len(names))
    present = np.flatnonzero(counts)
    if len(present) < 2:
        found = f"one class only, {names[present[0]]!r}" if len(present) else "no samples"
        raise DataError(f"the {what} has {found}; telling classes apart needs at least two.")
    single = np.flatnonzero(counts == 1)
    if len(single):
        where = ids[int(np.flatnonzero(codes == single[0])[0])]
        which = f"class {names[single[0]]!r} has one sample in the {what} ({where})"
        if len(single) > 1:
            which = (
                f"{len(single)} classes have one sample in the {what}, e.g. {names[single[0]]!r} ({where})"
            )
        raise DataError(
            f"{which}; a pair of one class needs two: add samples, or leave such classes out (--skip-single)."
        )


def _rank_in_class(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # 0, 1, ... within each class, in random order
    order = np.lexsort((rng.random(len(codes)), codes))
    starts = np.searchsorted(codes[order], codes[order])
    rank = np.empty(len(codes), np.int64)
    rank[order] = np.arange(len(codes)) - starts
    return rank
