"""Several losses as one: weighted sums, on the whole embedding or on some of its columns; and pairs of rows out of
labels, for losses that take no labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .backends import Backend, Tensor, backend_of

__all__ = ["Part", "combined_loss", "matryoshka", "paired_rows", "partners", "strangers"]


class Part(NamedTuple):
    """One loss of a sum."""

    loss: Callable[..., Tensor]  #: a function of `nearfar.losses`, or one written like them
    weight: float | Tensor = 1.0  #: how much it counts
    columns: slice = slice(None)  #: which columns of the embeddings it sees
    #: its own options; tables that go with the embeddings are cut to the same columns
    options: Mapping[str, Any] = {}


#: options that are tables of rows like the embeddings
_TABLES = ("references", "proxies", "documents", "other_views")


def combined_loss(parts: Sequence[Part], embeddings: Tensor, labels: Tensor, **shared: Any) -> Tensor:
    """Weighted sum of losses of the same batch.

    Args:
        parts: the losses; a bare function counts as `Part(function)`.
        embeddings: `(a, d)` floats.
        labels: what the losses take second: labels or `Pairs`, or for losses of two tables (`vicreg_loss`,
            `multiple_negatives_ranking_loss`) the other table.
        **shared: options that all parts get, such as `references`; a part's own go before them. References,
            proxies, documents and views are cut to the part's columns.

    Returns:
        Scalar, or what the reduction gives if all parts give the same shape.

    Raises:
        ValueError: no parts, or columns beyond the embedding.

    Example:
        >>> import numpy as np
        >>> from nearfar import losses
        >>> x, labels = np.eye(4), np.array([0, 0, 1, 1])
        >>> parts = [Part(losses.supcon_loss), Part(losses.triplet_loss, 0.5, options={"margin": 1.0})]
        >>> float(combined_loss(parts, x, labels))  # log(3) + 0.5 * 1
        1.598612...

    References:
        For parts on the first columns see `matryoshka`.
    """
    parts = [part if isinstance(part, Part) else Part(part) for part in parts]
    if not parts:
        raise ValueError("parts is empty; expected at least one loss.")
    total = None
    for part in parts:
        options = {**shared, **part.options}
        options |= {
            name: _cut(options[name], part.columns) for name in _TABLES if options.get(name) is not None
        }
        second = _cut(labels, part.columns) if _is_table(labels) else labels
        value = part.weight * part.loss(_cut(embeddings, part.columns), second, **options)
        total = value if total is None else total + value
    return total


def matryoshka(
    loss: Callable[..., Tensor],
    dimensions: Sequence[int],
    *,
    weights: Sequence[float] | None = None,
    **options: Any,
) -> list[Part]:
    """One loss on the first 8, 16, 32, ... columns: the embedding can then be cut short and still serves.

    Args:
        loss: a function of `nearfar.losses`.
        dimensions: how many of the first columns each part sees; name the whole length too.
        weights: of each part; all 1 when left out, as in the paper.
        **options: of the loss.

    Returns:
        Parts for `combined_loss`. Losses that normalise do so after the cut, as the shortened embedding is
        used.

    Raises:
        ValueError: no dimensions, one that is no positive number, or another number of weights.

    Example:
        >>> import numpy as np
        >>> from nearfar import losses
        >>> parts = matryoshka(losses.supcon_loss, [2, 4], temperature=0.5)
        >>> value = combined_loss(parts, np.eye(4), np.array([0, 0, 1, 1]))

    References:
        Kusupati et al., "Matryoshka Representation Learning", 2022, https://arxiv.org/abs/2205.13147.
    """
    weights = [1.0] * len(dimensions) if weights is None else list(weights)
    if not dimensions or any(not isinstance(d, int) or d < 1 for d in dimensions):
        raise ValueError(
            f"dimensions is {list(dimensions)}; expected positive whole numbers, e.g. [16, 32, 64]."
        )
    if len(weights) != len(dimensions):
        raise ValueError(
            f"{len(weights)} weights came with {len(dimensions)} dimensions; expected one for each."
        )
    return [Part(loss, w, slice(0, d), options) for w, d in zip(weights, dimensions, strict=True)]


def partners(labels: Tensor) -> Tensor:
    """For each row the next row of its class, round and round: second views out of a labelled batch.

    `vicreg_loss(x, x[partners(labels)])` trains a loss of two views on labels.

    Args:
        labels: `(n,)` or `(n, 1)` integers, bool or strings.

    Returns:
        `(n,)` row numbers; a row that is alone in its class is its own partner.

    Raises:
        TypeError: labels are floats.
        ValueError: labels are not one per row.

    Example:
        >>> import numpy as np
        >>> partners(np.array([0, 1, 0, 0, 2])).tolist()
        [2, 1, 3, 0, 4]
    """
    xp, rows, same = _rows_and_classes(labels)
    n = xp.shape(rows)[0]
    ahead = (rows[None, :] - rows[:, None] - 1) % n  # 0 for the next row, n - 1 for the row itself
    return xp.argmin(xp.where(same, ahead, ahead + n))


def strangers(labels: Tensor) -> Tensor:
    """For each row a row of another class, each its own as far as it goes: negatives out of a labelled batch.

    The search starts half the batch ahead, so that in a batch whose classes stand together and are equally
    large no row is taken twice.

    Args:
        labels: `(n,)` or `(n, 1)` integers, bool or strings.

    Returns:
        `(n,)` row numbers; a row is its own stranger where there is one class alone.

    Raises:
        TypeError: labels are floats.
        ValueError: labels are not one per row.

    Example:
        >>> import numpy as np
        >>> strangers(np.array([0, 0, 1, 1])).tolist()
        [2, 3, 0, 1]
    """
    xp, rows, same = _rows_and_classes(labels)
    n = xp.shape(rows)[0]
    ahead = (rows[None, :] - rows[:, None] - n // 2) % n
    itself = xp.where(rows[None, :] == rows[:, None], 0 * ahead + n, ahead + 2 * n)
    return xp.argmin(xp.where(same, itself, ahead))


def paired_rows(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two tables of rows, row i of one of the class of row i of the other, and no row in both.

    `queries, documents = paired_rows(labels)` and `multiple_negatives_ranking_loss(x[queries], x[documents])`
    trains a loss of two towers on labels; with `partners` every query would be a document too, its own
    nearest. Two pairs of one class are still taken for negatives of each other.

    Args:
        labels: `(n,)` or `(n, 1)` integers, bool or strings.

    Returns:
        Row numbers, `(n // 2,)` each. Where classes are of odd size there are fewer pairs: rows that are left
        over, each with itself, fill up the tables.

    Raises:
        TypeError: labels are floats.
        ValueError: labels are not one per row.

    Example:
        >>> import numpy as np
        >>> lefts, rights = paired_rows(np.array([0, 1, 0, 1, 2, 1]))
        >>> lefts.tolist(), rights.tolist()
        ([0, 1, 4], [2, 3, 4])
    """
    xp, rows, same = _rows_and_classes(labels)
    before, after = rows[None, :] < rows[:, None], rows[None, :] > rows[:, None]
    place = xp.sum(xp.where(same & before, 1 + 0 * rows[None, :], 0 * rows[None, :]), axis=1)
    paired = xp.any(same & after, axis=1)
    first = (place % 2) == 0
    order = xp.argsort(xp.where(first, xp.where(paired, 0 * rows, 0 * rows + 1), 0 * rows + 2)[None, :])[0]
    chosen = order[: xp.shape(rows)[0] // 2]
    return chosen, xp.take(xp.where(paired, partners(labels), rows), chosen)


def _rows_and_classes(labels: Tensor) -> tuple[Backend, Tensor, Tensor]:
    """Row numbers `(n,)`, and which rows are of the same class `(n, n)`."""
    from .pairs import check_labels

    xp = backend_of(labels)
    (labels,) = xp.as_labels(check_labels(xp, labels, "labels"))
    return xp, xp.arange(xp.shape(labels)[0], labels), labels[:, None] == labels[None, :]


def _cut(x: Any, columns: slice) -> Any:
    """Columns of a table, or of each centre in `(classes, k, d)`."""
    if columns == slice(None):
        return x
    size = x.shape[-1]
    if columns.stop is not None and size is not None and columns.stop > size:
        raise ValueError(f"columns {columns.start or 0} ... {columns.stop} were asked of rows of {size}.")
    return x[:, columns] if len(x.shape) == 2 else x[:, :, columns]


def _is_table(x: Any) -> bool:
    return hasattr(x, "shape") and len(x.shape) == 2 and backend_of(x).is_floating(x)
