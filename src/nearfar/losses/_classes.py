"""What the losses over classes share: proxies as references, and cross-entropy of a row."""

from collections.abc import Sequence

from ..backends import Backend, Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ..rows import RowTerms, row_loss

__all__ = ["class_inputs", "cross_entropy", "norms", "over_classes", "scalars"]


def class_inputs(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, classes: Tensor | None = None, *, axes: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """A row loss's inputs: labels, proxies `(c * k, d)`, and the class number of each proxy `(c * k,)`.

    `proxies` has `axes` axes: `(classes, d)`, or `(classes, k, d)` with k centres per class. `classes` picks
    some of them.
    """
    xp = backend_of(embeddings, labels, proxies, classes)
    if isinstance(labels, Pairs) or xp.is_floating(labels):
        kind = "Pairs" if isinstance(labels, Pairs) else f"of type {labels.dtype}"
        raise TypeError(
            f"labels is {kind}; expected class numbers, integers from 0, as proxies stand in their order."
        )
    if len(proxies.shape) != axes or proxies.shape[-1] != embeddings.shape[-1]:
        expected = "(classes, d)" if axes == 2 else "(classes, centres, d)"
        raise ValueError(
            f"proxies has shape {tuple(proxies.shape)} and embeddings {tuple(embeddings.shape)}; expected "
            f"{expected} with the embeddings' d."
        )
    proxies = xp.astype(xp.asfloat(proxies), xp.asfloat(embeddings))
    numbers = xp.arange(xp.shape(proxies)[0], proxies)
    if classes is not None:
        numbers = xp.astype(classes, numbers)
        proxies = xp.take(proxies, numbers)
    if axes == 3:
        _, k, d = xp.shape(proxies)
        numbers = xp.reshape(numbers[:, None] + 0 * xp.arange(k, proxies)[None, :], (-1,))
        proxies = xp.reshape(proxies, (-1, d))
    return xp.astype(labels, numbers), proxies, numbers


def over_classes(
    terms: RowTerms,
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    classes: Tensor | None,
    weights: Tensor | None,
    reduction: str,
    block: int | str | None,
    *,
    axes: int = 2,
    distance: str = "cosine",
    per_anchor: Sequence[Tensor] = (),
) -> Tensor:
    """A row loss of embeddings against proxies; see `class_inputs` and `nearfar.rows.row_loss`."""
    labels, proxies, numbers = class_inputs(embeddings, labels, proxies, classes, axes=axes)
    return row_loss(
        terms,
        embeddings,
        labels,
        distance=distance,
        references=proxies,
        reference_labels=numbers,
        per_anchor=per_anchor,
        weights=weights,
        reduction=reduction,
        block=block,
    )


def cross_entropy(xp: Backend, logits: Tensor, positive: Tensor) -> Terms:
    """Minus the log-softmax of each row's one positive; a row whose class is not there does not count."""
    valid = xp.any(positive, axis=1)
    target = xp.sum(logits, axis=1, where=positive)
    return weighted(xp, xp.logsumexp(logits, axis=1) - target, valid)


def scalars(embeddings: Tensor, *values: "float | Tensor") -> list[Tensor]:
    """Numbers and learnable scalars, each as a tensor of the embeddings' framework and precision."""
    xp = backend_of(embeddings, *[value for value in values if not isinstance(value, (int, float))])
    like = xp.sum(xp.asfloat(embeddings[:0]))
    return [
        xp.full_like(like, value)
        if isinstance(value, (int, float))
        else xp.astype(xp.reshape(value, ()), like)
        for value in values
    ]


def norms(x: Tensor) -> Tensor:
    """Length of each row, in at least 32 bits; slope 0 where a row is zero."""
    xp = backend_of(x)
    x = xp.asfloat(x)
    return xp.sqrt(xp.sum(x * x, axis=1))
