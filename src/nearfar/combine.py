"""Several losses as one: weighted sums, on the whole embedding or on some of its columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .backends import Tensor, backend_of

__all__ = ["Part", "combined_loss", "matryoshka", "partners"]


class Part(NamedTuple):
    """One loss of a sum."""

    loss: Callable[..., Tensor]  #: a function of `nearfar.losses`, or one written like them
    weight: float | Tensor = 1.0  #: how much it counts
    columns: slice = slice(None)  #: which columns of the embeddings it sees
    options: Mapping[
        str, Any
    ] = {}  #: its own options; tables that go with the embeddings are cut to the same columns


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
        proxies,
            documents and views are cut to the part's columns.

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
    from .pairs import check_labels

    xp = backend_of(labels)
    (labels,) = xp.as_labels(check_labels(xp, labels, "labels"))
    n = xp.shape(labels)[0]
    rows = xp.arange(n, labels)
    ahead = (rows[None, :] - rows[:, None] - 1) % n  # 0 for the next row, n - 1 for the row itself
    distance = xp.where(labels[:, None] == labels[None, :], ahead, ahead + n)
    return xp.argmin(distance)


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
