"""Softmax losses over the batch: a positive picked out among all references."""

from collections.abc import Callable

from ..backends import Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms, weighted
from ._batch import over_batch

__all__ = ["nca_loss", "nt_xent_loss", "supcon_loss"]


def nt_xent_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    temperature: float = 0.1,
    distance: str | Callable = "cosine",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""NT-Xent ("InfoNCE"): cross-entropy of each positive against the anchor's negatives.

    .. math:: \frac{1}{|P|} \sum_{(a, p) \in P}
              -\log \frac{\exp(-d(a, p) / T)}{\exp(-d(a, p) / T) + \sum_{n \in N(a)} \exp(-d(a, n) / T)}

    An anchor's other positives are not in the denominator (`supcon_loss` has them there); with two views they
    are the same loss. All pairs take O(B^2), though each positive has a denominator of its own.

    Good for: two augmented views without labels (see `nearfar.pairs.from_views`), and a strong default with
    labels.

    Args:
        embeddings: `(a, d)` floats; normalised by the default distance.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        temperature: `T`, in units of `distance`; small ones look at the nearest negatives alone.
        distance: see `nearfar.distances.pairwise`; 1 - cosine gives the paper's softmax of cosines.
        references: `(r, d)`, positives and negatives; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)`, how much each anchor counts.
        reduction: `"mean"` over positive pairs whose anchor has a negative, `"active_mean"`, `"sum"`, or
            `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no anchor has a positive and a negative.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> views = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])  # 2 views
        >>> float(nt_xent_loss(views, np.array([0, 1, 0, 1]), temperature=1.0))  # log(1 + 2 / e)
        0.551444...

    References:
        Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual
        Representations", 2020, https://arxiv.org/abs/2002.05709, equation 1 (two views; more positives each
        take their turn). The default temperature is the one of its ImageNet runs.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        logits = -distances / temperature
        some = xp.any(pairs.negative, axis=1)
        negatives = xp.where(some, xp.logsumexp(logits, axis=1, where=pairs.negative), 0.0)
        return weighted(xp, xp.softplus(negatives[:, None] - logits), pairs.positive & some[:, None])

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance=distance
    )


def supcon_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    temperature: float = 0.1,
    targets: Tensor | None = None,
    distance: str | Callable = "cosine",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Supervised contrastive loss ("SupCon"): cross-entropy of each positive against all other references.

    .. math:: \frac{1}{|A|} \sum_{a \in A} \frac{-1}{|P(a)|} \sum_{p \in P(a)}
              \log \frac{\exp(-d(a, p) / T)}{\sum_{r \in P(a) \cup N(a)} \exp(-d(a, r) / T)}

    Good for: labelled batches with several samples per class; a strong default.

    Args:
        embeddings: `(a, d)` floats; normalised by the default distance.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        temperature: `T`, in units of `distance`.
        targets: `(a, r)` floats, at least 0: soft labels. How much each reference is a positive, in place of
            equally much for all of the same label; those at 0 are negatives. Labels or `Pairs` then only say
            which pairs count.
        distance: see `nearfar.distances.pairwise`; 1 - cosine gives the paper's softmax of cosines.
        references: `(r, d)`, positives and negatives; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)`, how much each anchor counts.
        reduction: `"mean"` over anchors that have a positive, `"active_mean"`, `"sum"`, or `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no anchor has a positive.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
        >>> float(supcon_loss(x, np.array([0, 0, 1]), temperature=1.0))  # log(1 + exp(-2))
        0.126928...

    References:
        Khosla et al., "Supervised Contrastive Learning", 2020, https://arxiv.org/abs/2004.11362, equation 2
        (L_out). The paper sums over anchors; `"mean"` divides by how many have a positive.
    """

    xp = backend_of(embeddings, references, targets)
    if targets is not None and len(targets.shape) != 2:
        raise ValueError(f"targets has shape {tuple(targets.shape)}; expected (anchors, references).")

    def terms(distances: Tensor, pairs: Pairs, *soft: Tensor) -> Terms:
        logits, counted = -distances / temperature, pairs.positive | pairs.negative
        share = xp.where(counted, soft[0], 0.0) if soft else xp.astype(pairs.positive, logits)
        total = xp.sum(share, axis=1)
        valid = total > 0
        whole = xp.logsumexp(logits, axis=1, where=counted)
        mean = xp.sum(share * logits, axis=1) / xp.where(valid, total, 1.0)
        return weighted(xp, xp.where(valid, whole, 0.0) - mean, valid)

    given = () if targets is None else (xp.astype(targets, xp.asfloat(embeddings)),)
    rest = {"distance": distance, "per_anchor": given}
    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, **rest
    )


def nca_loss(
    embeddings: Tensor,
    labels: Tensor | Pairs,
    *,
    temperature: float = 1.0,
    distance: str | Callable = "squared_euclidean",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
    block: int | str | None = "auto",
) -> Tensor:
    r"""Neighbourhood components analysis ("NCA"): likely that a neighbour drawn at random is of the same class.

    .. math:: \frac{1}{|A|} \sum_{a \in A}
              -\log \frac{\sum_{p \in P(a)} \exp(-d(a, p) / T)}
              {\sum_{r \in P(a) \cup N(a)} \exp(-d(a, r) / T)}

    One near positive is enough: a class may lie in several clusters.

    Good for: nearest-neighbour classification, classes of several modes.

    Args:
        embeddings: `(a, d)` floats.
        labels: `(a,)` or `(a, 1)` integers, bool or strings; or a `nearfar.pairs.Pairs`.
        temperature: `T`, in units of `distance`; the paper has none, and embeddings of length 1 want a small
            one.
        distance: see `nearfar.distances.pairwise`.
        references: `(r, d)`, positives and negatives; the other anchors when left out.
        reference_labels: `(r,)`, with `references`.
        weights: `(a,)`, how much each anchor counts.
        reduction: `"mean"` over anchors that have a positive and a negative, `"active_mean"`, `"sum"`, or
            `"none"`.
        block: anchors at a time; see `nearfar.rows.row_loss`.

    Returns:
        Scalar, `(a,)` for `"none"`; 0 where no anchor has a positive and a negative.

    Raises:
        ValueError: shapes that do not fit together, or an unknown name.
        TypeError: tensors of two frameworks, labels that are floats.

    Example:
        >>> import numpy as np
        >>> float(nca_loss(np.array([[0.0], [0.0], [1.0]]), np.array([0, 0, 1])))  # log(1 + 1 / e)
        0.313261...

    References:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", 2004,
        https://papers.nips.cc/paper/2004/hash/42fe880812925e520249e808937738d2-Abstract.html. The paper
        maximises the sum of these chances and names the sum of their logarithms, which is taken here, as the
        alternative.
    """

    def terms(distances: Tensor, pairs: Pairs) -> Terms:
        xp = backend_of(distances)
        logits = -distances / temperature
        valid = xp.any(pairs.positive, axis=1) & xp.any(pairs.negative, axis=1)
        whole = xp.logsumexp(logits, axis=1, where=pairs.positive | pairs.negative)
        near = xp.logsumexp(logits, axis=1, where=pairs.positive)
        return weighted(xp, xp.where(valid, whole, 0.0) - xp.where(valid, near, 0.0), valid)

    return over_batch(
        terms, embeddings, labels, references, reference_labels, weights, reduction, block, distance=distance
    )
