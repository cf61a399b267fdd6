"""Softmax losses over the batch: a positive picked out among all references."""

from collections.abc import Callable

from ..backends import Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms
from ..rows import row_loss

__all__ = ["supcon_loss"]


def supcon_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    temperature: float = 0.1,
    distance: str | Callable = "cosine",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Supervised contrastive loss ("SupCon"): cross-entropy of each positive against all other references.

    .. math:: \frac{1}{|A|} \sum_{a \in A} \frac{-1}{|P(a)|} \sum_{p \in P(a)}
              \log \frac{\exp(-d(a, p) / T)}{\sum_{r \in P(a) \cup N(a)} \exp(-d(a, r) / T)}

    Args:
        embeddings: `(a, d)` floats; normalised by the default distance.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        temperature: `T`, in units of `distance`.
        distance: see `nearfar.distances.pairwise`; 1 - cosine gives the paper's softmax of cosines.
        references: `(r, d)`, positives and negatives; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        reduction: `"mean"` over anchors that have a positive, `"active_mean"`, `"sum"`, or `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no anchor has a positive.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> float(supcon_loss(np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]), np.array([0, 0, 1]), temperature=1.0))
        0.126928...

    References:
        Khosla et al., "Supervised Contrastive Learning", 2020, https://arxiv.org/abs/2004.11362, equation 2 (L_out). The
        paper sums over anchors; `"mean"` divides by how many have a positive.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        logits = -distances / temperature
        count = xp.count(pairs.positive, logits)
        valid = count > 0
        whole = xp.logsumexp(logits, axis=1, where=pairs.positive | pairs.negative)
        mean = xp.sum(logits, axis=1, where=pairs.positive) / xp.where(valid, count, 1.0)
        loss = xp.where(valid, xp.where(valid, whole, 0.0) - mean, 0.0)
        return Terms(loss, xp.astype(valid, loss), xp.astype(loss > 0, loss))

    return row_loss(
        terms,
        embeddings,
        labels,
        distance=distance,
        references=references,
        reference_labels=reference_labels,
        reduction=reduction,
        block=block,
    )
