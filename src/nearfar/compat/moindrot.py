"""The two losses of Olivier Moindrot's tensorflow-triplet-loss (2018), for tensors of any framework.

    from nearfar.compat.moindrot import batch_all_triplet_loss, batch_hard_triplet_loss

Same signatures, same values. Two things are put right: labels of shape `(n, 1)` are one label a row (there
they broadcast to wrong numbers without a word), and memory is that of a block of rows, not `(n, n, n)`.
"""

from collections.abc import Callable

from ..backends import Tensor, backend_of
from ..pairs import Pairs
from ..reduction import Terms
from ..rows import row_loss
from ..slopes import all_triplets, hinge
from ._terms import hard_terms

__all__ = ["batch_all_triplet_loss", "batch_hard_triplet_loss"]


def batch_all_triplet_loss(
    labels: Tensor, embeddings: Tensor, margin: float, squared: bool = False
) -> tuple[Tensor, Tensor]:
    """Mean over all triplets whose loss is positive, and their share of all valid triplets.

    Args:
        labels: `(n,)` or `(n, 1)` integers.
        embeddings: `(n, d)` floats.
        margin: of the hinge.
        squared: squared Euclidean distances.

    Returns:
        Loss and fraction of positive triplets, both scalars; both 0 where there is no valid triplet.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0], [1.0], [1.5]])
        >>> loss, fraction = batch_all_triplet_loss(np.array([0, 0, 1]), embeddings, margin=0.5)
        >>> float(loss), float(fraction)  # max(0, 0.5 + 1 - 1.5) and 0.5 + 1 - 0.5
        (1.0, 0.5)

    References:
        Moindrot, "Triplet Loss and Online Triplet Mining in TensorFlow", 2018,
        https://omoindrot.github.io/triplet-loss
    """

    def run(part: Callable[[Terms], Terms], reduction: str) -> Tensor:
        def terms(distances: Tensor, pairs: Pairs) -> Terms:
            return part(all_triplets(backend_of(distances), distances, pairs, hinge(margin)))

        return row_loss(terms, embeddings, labels, distance=_distance(squared), reduction=reduction)

    loss = run(lambda found: found, "active_mean")
    fraction = run(lambda found: Terms(found.active, found.valid, found.active), "mean")
    return loss, backend_of(fraction).stop_gradient(fraction)


def batch_hard_triplet_loss(
    labels: Tensor, embeddings: Tensor, margin: float, squared: bool = False
) -> Tensor:
    """Farthest positive and nearest negative of each anchor; the mean over all anchors.

    An anchor without a positive takes 0 for its distance, one without a negative the farthest row of all, as
    there.

    Args:
        labels: `(n,)` or `(n, 1)` integers.
        embeddings: `(n, d)` floats.
        margin: of the hinge.
        squared: squared Euclidean distances.

    Returns:
        Scalar.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[0.0], [1.0], [1.5]])
        >>> float(batch_hard_triplet_loss(np.array([0, 0, 1]), embeddings, margin=0.5))  # (0 + 1 + 0) / 3
        0.333333...

    References:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        https://arxiv.org/abs/1703.07737 ("batch hard").
    """
    return row_loss(
        hard_terms(margin, self_distance=0.0),
        embeddings,
        labels,
        distance=_distance(squared),
        reduction="mean",
    )


def _distance(squared: bool) -> str:
    return "squared_euclidean" if squared else "euclidean"
