"""Lifted structure: each positive pair against all the negatives of both ends."""

from collections.abc import Callable
from typing import Any

from .. import pair_mining
from ..backends import Tensor, backend_of
from ..distributed import everybody
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ..rows import row_loss
from ._batch import over_batch

__all__ = ["generalized_lifted_structure_loss", "lifted_structure_loss"]

_NONE = -1e30  # stands for log(0): finite, so that no difference of two is NaN


def lifted_structure_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    margin: float = 1.0,
    distance: str | Callable = "euclidean",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Lifted structure loss: every positive pair nearer than the negatives of its two ends.

    .. math:: \frac{1}{2 |P|} \sum_{(i,j) \in P} \max(0, J_{ij})^2, \quad J_{ij} = d(i, j)
              + \log\Big(\sum_{k \in N(i)} e^{m - d(i, k)} + \sum_{l \in N(j)} e^{m - d(j, l)}\Big)

    A pair needs both its rows. A first pass gives each row's sum, a second the pairs, so that it runs in
    blocks.

    Args:
        embeddings: `(a, d)` floats; the paper does not normalise them.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        margin: `m`, the paper's alpha, in units of `distance`.
        distance: see `nearfar.distances.pairwise`; the same in both directions.
        references: `(r, d)`, the other end of each pair: an anchor's negatives are among them, a reference's
            among the anchors. The other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over positive pairs whose ends have a negative, `"active_mean"`, `"sum"`, or
            `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no such pair exists.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
        >>> float(lifted_structure_loss(embeddings, np.array([0, 0, 1])))  # (1 + log(2 e^0.5))^2 / 2
        2.40494...

    References:
        Oh Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding",
        2016, https://arxiv.org/abs/1511.06452. pytorch-metric-learning normalises the embeddings.
    """
    rest: dict[str, Any] = {"distance": distance, "block": block}

    def gather(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        total = xp.logsumexp(margin - distances, axis=1, where=pairs.negative)
        total = xp.where(total > _NONE, total, _NONE)
        return Terms(total, xp.full_like(total, 1.0), xp.full_like(total, 1.0))

    def terms(distances: Tensor, pairs: Pairs, others: Tensor, own: Tensor) -> Terms:
        xp = backend_of(distances)
        others, own = others[None, :], own[:, None]
        both = xp.where(others > _NONE / 2, others + xp.softplus(own - others), own + 0 * others)
        hinge = xp.relu(distances + both)
        return weighted(xp, 0.5 * hinge * hinge, pairs.positive & (both > _NONE / 2))

    forth: dict[str, Any] = {"references": references, "reference_labels": reference_labels, **rest}
    own = row_loss(gather, embeddings, labels, reduction="none", **forth)
    if references is None:
        (others,), _ = everybody(backend_of(own), own)
    else:
        back, back_labels = reference_labels, labels
        if isinstance(labels, Pairs):
            back, back_labels = Pairs(*(backend_of(m).matrix_transpose(m) for m in labels)), None
        others = row_loss(
            gather,
            references,
            back,
            references=embeddings,
            reference_labels=back_labels,
            reduction="none",
            **rest,
        )
    return row_loss(
        terms,
        embeddings,
        labels,
        weights=weights,
        reduction=reduction,
        parameters=(others,),
        per_anchor=(own,),
        **forth,
    )


def generalized_lifted_structure_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    margin: float = 1.0,
    mining: str | Callable | None = None,
    distance: str | Callable = "euclidean",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Generalised lifted structure: a soft farthest positive against a soft nearest negative of every
    anchor.

    .. math:: \frac{1}{|A|} \sum_{a \in A}
              \max\Big(0, \log \sum_p e^{d(a, p)} + \log \sum_n e^{m - d(a, n)}\Big)

    Args:
        embeddings: `(a, d)` floats.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        margin: `m`, in units of `distance`; the paper takes 0.1 to 1.
        mining: None for all pairs, a name of `nearfar.pair_mining`, or a function of distances and `Pairs` to
            `Pairs`.
        distance: see `nearfar.distances.pairwise`.
        references: `(r, d)` to pair the anchors with; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)` floats, how much each anchor's terms count in totals and in means.
        reduction: `"mean"` over anchors that have a positive and a negative, `"active_mean"`, `"sum"`, or
            `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no anchor has both.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
        >>> float(generalized_lifted_structure_loss(embeddings, np.array([0, 0, 1])))  # 1 + 1 - 0.5
        1.5

    References:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737 ("generalized Lifted Embedding loss"). The paper sums over anchors.
    """
    choose, block = pair_mining.resolve(mining, block)

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        kept = choose(distances, pairs)
        both = pair_mining.has_both(kept)
        far = xp.logsumexp(distances, axis=1, where=kept.positive)
        near = xp.logsumexp(margin - distances, axis=1, where=kept.negative)
        return weighted(xp, xp.relu(xp.where(both, far, 0.0) + xp.where(both, near, 0.0)), both)

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance=distance
    )
