"""One row loss, run dense or in blocks of anchors.

Each anchor's terms need only its own row of distances and of masks. A row loss is written once, as a function of a block
of such rows, and this module is the one place that knows how the rows are run. In blocks, memory beyond the inputs is
O(block x references + embeddings), the value and the gradient are those of the dense run to rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any

from . import debug, distances
from .backends import Backend, Tensor, backend_of
from .distributed import add_up, everybody
from .pairs import Pairs, block_of_labels, check_labels
from .reduction import Terms, add, check_reduction, reduce_rows, reduce_sums, safe_divide, weigh

__all__ = ["RowTerms", "check_weights", "row_loss"]

RowTerms = Callable[..., Terms | tuple[Terms, ...]]
_SMALLEST_BLOCK = 64  # rows; matrix products of fewer are slow


def row_loss(
    terms: RowTerms,
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    distance: str | Callable = "euclidean",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
    parameters: Sequence[Tensor] = (),
    per_anchor: Sequence[Tensor] = (),
    weights: Tensor | None = None,
    mean_over: Sequence[str] = (),
) -> Tensor:
    """Value of a row loss.

    Args:
        terms: `terms(distances (b, r), pairs (b, r), *parameters, *per_anchor)` of a block of `b` anchors gives one
            `Terms`, or one for each part of the loss. It may not look beyond its rows.
        embeddings: `(a, d)` floats, the anchors.
        labels: `(a,)` or `(a, 1)` labels, or a `Pairs` of `(a, r)` masks.
        distance: see `nearfar.distances.pairwise`.
        references: `(r, d)` floats to compare with; the anchors themselves when left out.
        reference_labels: `(r,)`, with `references` unless `labels` is a `Pairs`.
        reduction: `"mean"`, `"active_mean"`, `"sum"` or `"none"`.
        block: anchors at a time; None runs all at once, `"auto"` too while that is small. In a TensorFlow graph of
            unknown batch size and under torch.compile `"auto"` is dense.
        parameters: tensors that every block sees, such as a learnable margin; gradients reach them.
        per_anchor: tensors `(a, ...)`, of which a block sees its rows.
        weights: `(a,)`, how much each anchor counts: a weight of 2 is that anchor given twice, its terms and their
            number. For `"none"` each value is multiplied by its weight.
        mean_over: for a loss of several parts, the field of `Pairs` whose every pair is a term of that part. Blocks then
            count the pairs first, and take one backward pass for all parts instead of one for each.

    Returns:
        Scalar in float32 (float64 for float64 embeddings), or `(a,)` for `"none"`. 0 where nothing is valid, NaN where an
        embedding is NaN or infinite.

    Raises:
        ValueError: shapes that do not fit, an unknown name, or a block that is no positive number.
        TypeError: tensors of two frameworks, labels that are floats, or masks that are not bool.
    """
    xp = backend_of(embeddings, references, *parameters)
    check_reduction(reduction)
    embeddings, references, rows, shared, pairs_of = _inputs(
        xp, embeddings, labels, references, reference_labels
    )
    with xp.full_precision(embeddings):
        kind = distances.resolve(distance)
        weights = None if weights is None else check_weights(xp, weights, embeddings)
        anchors = embeddings
        if _is_zero(xp.shape(embeddings)[0]):  # one row of zeros stands in, and counts for nothing
            anchors, *rows = [_zero_row(xp, t) for t in (embeddings, *rows)]
            per_anchor, weights = [_zero_row(xp, t) for t in per_anchor], xp.sum(anchors, axis=1)
            if _is_zero(xp.shape(references)[0]):
                references, *shared = [_zero_row(xp, t) for t in (references, *shared)]
        x, y = kind.prepare(xp, anchors, references)
        num_pairs, num_shared = len(rows), len(shared)
        if weights is not None:
            per_anchor = (*per_anchor, weights)

        def unpack(block: Sequence[Tensor]) -> tuple:
            """Pairs, weights and references of a block, and what else `terms` takes."""
            masks, own = block[:num_pairs], block[num_pairs:][: len(per_anchor)]
            y, *rest = block[num_pairs + len(per_anchor) :]
            own, weight = (own, None) if weights is None else (own[:-1], own[-1])
            return pairs_of(masks, rest[:num_shared]), weight, y, (*rest[num_shared:], *own)

        def run(x: Tensor, *block: Tensor) -> tuple[Tensor, ...]:
            pairs, weight, y, rest = unpack(block)
            parts = _as_parts(terms(kind.compare(xp, x, y), pairs, *rest))
            if weight is not None:
                parts = [weigh(part, weight, reduction) for part in parts]
            return tuple(field for part in parts for field in part)

        def sizes(x: Tensor, *block: Tensor) -> tuple[Tensor, ...]:
            pairs, weight, _, _ = unpack(block)
            counts = (xp.count(getattr(pairs, name), x) for name in mean_over)
            return tuple(count if weight is None else weight * count for count in counts)

        def mean(x: Tensor, *block: Tensor) -> tuple[Tensor]:
            """The sum of all parts' means, where their sizes are the last of a block's tensors."""
            parts = _group(run(x, *block[: -len(mean_over)]))
            shares = (
                safe_divide(xp, part.total, n)
                for part, n in zip(parts, block[-len(mean_over) :], strict=True)
            )
            return (add(shares),)

        shared = (y, *shared, *parameters)
        size = _block_size(
            xp, block, xp.shape(x)[0], xp.shape(y)[0], xp.shape(x)[1] if kind.broadcasts else 1
        )
        # masks would hide a NaN: 0 times a finite number is 0, times NaN or infinity it is NaN
        total = xp.sum(xp.stop_gradient(embeddings))
        hidden = 0 * (total if references is embeddings else total + xp.sum(xp.stop_gradient(references)))
        summed = size is not None and reduction != "none"
        if size is None:
            fields = run(x, *rows, *per_anchor, *shared)
        elif summed and mean_over and reduction == "mean":
            own = (xp.stop_gradient(x), *rows, *per_anchor)
            counts = add_up(xp, xp.map_rows(sizes, own, shared, block=size, summed=True))
            (total,) = xp.map_rows(mean, (x, *rows, *per_anchor), (*shared, *counts), block=size, summed=True)
            return add_up(xp, [total + hidden])[0]
        else:
            fields = xp.map_rows(run, (x, *rows, *per_anchor), shared, block=size, summed=summed)
        parts = _group((fields[0] + hidden, *fields[1:]))
        loss = (reduce_sums if summed else reduce_rows)(xp, parts, reduction)
        return loss[:0] if anchors is not embeddings and reduction == "none" else loss


row_loss.autograph_info__ = {}  # type: ignore[attr-defined]  # tells TensorFlow's AutoGraph to leave this code as it is


def _as_parts(parts: Terms | tuple[Terms, ...]) -> tuple[Terms, ...]:
    return (parts,) if isinstance(parts, Terms) else parts


def _is_zero(size: Any) -> bool:
    return isinstance(size, int) and size == 0


def _zero_row(xp: Backend, x: Tensor) -> Tensor:
    """`(0, ...)` -> `(1, ...)`."""
    return (xp.any if "bool" in str(x.dtype) else xp.sum)(x, axis=0)[None]


def _group(fields: Sequence[Tensor]) -> list[Terms]:
    return [Terms(*fields[i : i + 3]) for i in range(0, len(fields), 3)]


def _block_size(
    xp: Backend, block: int | str | None, anchors: Any, references: Any, width: int
) -> int | None:
    """Anchors at a time, None for all at once."""
    if block is None:
        return None
    if block == "auto":
        if not isinstance(anchors, int) or not isinstance(references, int):
            return None
        wanted = max(_SMALLEST_BLOCK, xp.block_elements() // max(1, references * width))
        return wanted if anchors > 2 * wanted else None
    if not isinstance(block, int) or isinstance(block, bool) or block < 1:
        raise ValueError(f"block is {block!r}; expected a positive number of anchors, 'auto' or None.")
    return None if isinstance(anchors, int) and anchors <= block else block


def _inputs(xp: Backend, embeddings: Any, labels: Any, references: Any, reference_labels: Any) -> tuple:
    """Checked embeddings and references, what masks are made of (by row, shared), and how they are made."""
    _check_table(xp, embeddings, "embeddings")
    if references is not None:
        _check_table(xp, references, "references")
        if references.shape[1] != embeddings.shape[1]:
            raise ValueError(
                f"references has shape {tuple(references.shape)} but embeddings {tuple(embeddings.shape)}; "
                "expected rows of the same length."
            )
    own = references is None
    x = xp.asfloat(embeddings)
    y = x if own else xp.asfloat(references)
    if isinstance(labels, Pairs):
        y = everybody(xp, embeddings)[0][0] if own else y
        y = x if y is embeddings else xp.asfloat(y)
        _check_masks(labels, x, y)
        return x, y, tuple(labels), (), lambda masks, _: Pairs(*masks)
    backend_of(embeddings, labels, reference_labels)
    if own != (reference_labels is None):
        missing, given = ("references", "reference_labels") if own else ("reference_labels", "references")
        raise ValueError(f"{given} came without {missing}; expected both or neither.")
    labels = check_labels(xp, labels, "labels")
    _check_count(labels, x, "labels", "embeddings")
    if own:
        (codes,) = xp.as_labels(labels)
        (y, all_codes), columns = everybody(xp, embeddings, codes)
        y = x if y is embeddings else xp.asfloat(y)
        return (
            x,
            y,
            (codes, columns),
            (all_codes,),
            lambda masks, shared: block_of_labels(masks[0], shared[0], masks[1]),
        )
    reference_labels = check_labels(xp, reference_labels, "reference_labels")
    _check_count(reference_labels, y, "reference_labels", "references")
    codes, other_codes = xp.as_labels(labels, reference_labels)
    return x, y, (codes,), (other_codes,), lambda masks, shared: block_of_labels(masks[0], shared[0])


def _check_table(xp: Backend, x: Tensor, name: str) -> None:
    if len(x.shape) != 2:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected one row per sample, (n, d).")
    if not xp.is_floating(x):
        raise TypeError(f"{name} is of type {x.dtype}; expected floats.")
    debug.check_finite(xp, x, name)


def _check_count(labels: Tensor, x: Tensor, name: str, of: str) -> None:
    have, rows = labels.shape[0], x.shape[0]
    if isinstance(have, int) and isinstance(rows, int) and have != rows:
        raise ValueError(
            f"{name} has shape {tuple(labels.shape)} but {of} has {rows} rows; expected ({rows},)."
        )


def check_weights(
    xp: Backend, weights: Tensor, embeddings: Tensor, name: str = "embeddings", each: str = "anchor, (a,)"
) -> Tensor:
    """Weights `(a,)` or `(a, 1)` -> `(a,)` in the type of the embeddings."""
    backend_of(embeddings, weights)
    weights = xp.astype(weights, embeddings)
    if len(weights.shape) == 2 and weights.shape[1] == 1:
        weights = xp.reshape(weights, (-1,))
    if len(weights.shape) != 1:
        raise ValueError(f"weights has shape {tuple(weights.shape)}; expected one number per {each}.")
    _check_count(weights, embeddings, "weights", name)
    return weights


def _check_masks(pairs: Pairs, x: Tensor, y: Tensor) -> None:
    expected = (x.shape[0], y.shape[0])
    for name, mask in zip(Pairs._fields, pairs, strict=True):
        if "bool" not in str(mask.dtype):
            raise TypeError(f"the mask {name} is of type {mask.dtype}; expected bool: write mask > 0.")
        if tuple(mask.shape) != expected and None not in (*mask.shape, *expected):
            raise ValueError(
                f"the mask {name} has shape {tuple(mask.shape)}; expected (anchors, references) {expected}."
            )
