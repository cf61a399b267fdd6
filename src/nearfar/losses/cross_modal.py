"""Losses of two towers: queries and documents, images and texts."""

from collections.abc import Callable

from ..backends import Tensor, backend_of
from ..distributed import everybody
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ..rows import row_loss
from ._batch import over_batch
from ._classes import cross_entropy, scalars

__all__ = ["multiple_negatives_ranking_loss", "siglip_loss"]


def multiple_negatives_ranking_loss(
    queries: Tensor,
    documents: Tensor,
    *,
    scale: float | Tensor = 20.0,
    symmetric: bool = False,
    distance: str | Callable = "cosine",
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Multiple-negatives ranking: each query picks its own document out of the whole batch's.

    .. math:: \frac{1}{n} \sum_i -\log \frac{\exp(-s \, d(q_i, t_i))}{\sum_j \exp(-s \, d(q_i, t_j))}

    Document `i` is the positive of query `i`; documents beyond the number of queries are negatives for all of
    them ("hard negatives"). `symmetric` adds the other direction, in which each of these `n` documents picks
    its query, and halves the sum: with `scale` the exponential of a learnable number that is CLIP's loss.

    Good for: pairs without classes (question and answer, image and text), batches as large as they come.

    Two documents of the same content in a batch are taken for negatives of each other's query; where that happens
    give `nt_xent_loss` the queries, their labels, and the documents as references.

    Args:
        queries: `(n, d)` floats; normalised by the default distance.
        documents: `(m, d)` floats, `m >= n`.
        scale: `s`, one over the temperature: a number, or a learnable tensor of one value.
        symmetric: both directions.
        distance: see `nearfar.distances.pairwise`.
        weights: `(n,)`, how much each pair counts.
        reduction: `"mean"` over pairs, `"active_mean"`, `"sum"`, or `"none"` for one value per pair.
        block: queries at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(n,)` for `"none"`; 0 for no pairs.

    Raises:
        ValueError: fewer documents than queries, or other shapes that do not fit together.
        TypeError: tensors of two frameworks.

    Example:
        >>> import numpy as np
        >>> queries, documents = np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> float(multiple_negatives_ranking_loss(queries, documents, scale=1.0))  # (0.40761 + 0.55144) / 2
        0.479525...

    References:
        Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply", 2017,
        https://arxiv.org/abs/1705.00652 (inner products; the default scale of 20 on cosines is
        sentence-transformers'). Radford et al., "Learning Transferable Visual Models From Natural Language
        Supervision" (CLIP), 2021, https://arxiv.org/abs/2103.00020 (symmetric, learnable scale).
    """
    xp = backend_of(queries, documents)
    if len(queries.shape) != 2 or len(documents.shape) != 2:
        shapes = f"{tuple(queries.shape)} and documents {tuple(documents.shape)}"
        raise ValueError(f"queries has shape {shapes}; expected one row per sample, (n, d) and (m, d).")
    n, m = xp.shape(queries)[0], xp.shape(documents)[0]
    if isinstance(n, int) and isinstance(m, int) and m < n:
        raise ValueError(
            f"{n} queries came with {m} documents; expected document i to belong to query i, so at least {n}."
        )

    def terms(distances: Tensor, pairs: Pairs, scale: Tensor) -> Terms:
        return cross_entropy(backend_of(distances), -scale * distances, pairs.positive)

    def direction(anchors: Tensor, references: Tensor) -> Tensor:
        (everyones,), numbers = everybody(xp, references)
        return row_loss(
            terms,
            anchors,
            numbers[:n],
            distance=distance,
            references=everyones,
            reference_labels=xp.arange(xp.shape(everyones)[0], everyones),
            parameters=scalars(queries, scale),
            weights=weights,
            reduction=reduction,
            block=block,
        )

    forward = direction(queries, documents)
    return (forward + direction(documents[:n], queries)) / 2 if symmetric else forward


def siglip_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    scale: float | Tensor = 10.0,
    bias: float | Tensor = -10.0,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Sigmoid loss ("SigLIP"): each pair by itself is told to be the same or not.

    .. math:: \frac{1}{n} \sum_i \sum_j \log\left(1 + \exp(-z_{ij} (s \cos(x_i, y_j) + b))\right), \quad
              z_{ij} = 1 \text{ for positives}, -1 \text{ for negatives}

    No softmax couples the pairs of a row, so batches may be split anywhere. For images and texts pass the
    texts as references, and the same numbers as labels of both.

    Good for: image and text pairs at any batch size, multi-label batches (every positive counts by itself).

    Args:
        embeddings: `(a, d)` floats; normalised here.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        scale: `s`: a number, or a learnable tensor of one value (the paper learns its logarithm).
        bias: `b`, likewise; about minus `s` at first, since nearly all pairs are negatives.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)`, how much each anchor counts.
        reduction: `"mean"` over anchors of the sum over their pairs, `"active_mean"`, `"sum"`, or `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where there is no pair.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> images, texts, numbers = np.eye(2), np.eye(2), np.arange(2)
        >>> others = {"references": texts, "reference_labels": numbers}
        >>> float(siglip_loss(images, numbers, scale=2.0, bias=-1.0, **others))  # 2 log(1 + 1 / e)
        0.626523...

    References:
        Zhai, Mustafa, Kolesnikov, Beyer, "Sigmoid Loss for Language Image Pre-Training", 2023,
        https://arxiv.org/abs/2303.15343 (images against texts; here any labels).
    """

    def terms(distances: Tensor, pairs: Pairs, scale: Tensor, bias: Tensor) -> Terms:
        xp = backend_of(distances)
        logits = scale * (1 - distances) + bias
        losses = xp.softplus(xp.where(pairs.positive, -logits, logits))
        counted = pairs.positive | pairs.negative
        return weighted(xp, xp.sum(losses, axis=1, where=counted), xp.any(counted, axis=1))

    rest = {"distance": "cosine", "parameters": scalars(embeddings, scale, bias)}
    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, **rest
    )
