"""The functions of `tfa.losses`: signatures, defaults, string keys and values of TensorFlow Addons 0.23.

Put right in all of them: labels of any integer width stay distinct, memory is O(n^2) at most (there O(n^3)).
"""

from collections.abc import Callable
from typing import Any

import keras

from ... import losses as _losses
from ..._keras_tensors import as_labels
from ...pairs import Pairs, from_labels
from ...rows import row_loss
from .._terms import hard_terms, semihard_terms

__all__ = [
    "contrastive_loss",
    "hard",
    "lifted",
    "lifted_struct_loss",
    "mean_of_rows",
    "npairs_loss",
    "npairs_multilabel_loss",
    "npairs_multilabel_rows",
    "npairs_rows",
    "register",
    "semihard",
    "triplet_hard_loss",
    "triplet_semihard_loss",
]

ops: Any = keras.ops  # the checker takes its functions for ones that may return None
Distance = str | Callable[[Any], Any]
_DISTANCES = {"L2": "euclidean", "squared-L2": "squared_euclidean", "angular": "cosine"}
register = keras.saving.register_keras_serializable(package="Addons")  # the key TensorFlow Addons saved with


@register
def triplet_semihard_loss(
    y_true: Any, y_pred: Any, margin: float = 1.0, distance_metric: Distance = "L2"
) -> Any:
    """Triplet loss with semi-hard negatives: of each positive pair the nearest negative beyond the positive.

    Where no negative is beyond the positive, the farthest negative; where the anchor has no negative at all,
    itself. The mean is over all positive pairs. Put right: 0 where there is no positive pair (there NaN), and
    float64 embeddings work (there a TypeError).

    Args:
        y_true: `(n,)` or `(n, 1)` labels.
        y_pred: `(n, d)` embeddings, usually L2-normalised.
        margin: of the hinge.
        distance_metric: `"L2"`, `"squared-L2"`, `"angular"` (1 - cosine), or a function of embeddings to
            `(n, n)`.

    Returns:
        Scalar of the dtype of `y_pred`.

    Example:
        >>> import numpy as np
        >>> float(triplet_semihard_loss(np.array([0, 0]), np.eye(2, dtype="float32")))  # 1 + sqrt(2) - 0
        2.41421...
    """
    return semihard(y_true, y_pred, margin=margin, distance_metric=distance_metric)


@register
def triplet_hard_loss(
    y_true: Any, y_pred: Any, margin: float = 1.0, soft: bool = False, distance_metric: Distance = "L2"
) -> Any:
    """Triplet loss with the farthest positive and the nearest negative of each anchor.

    Without a positive the anchor itself stands in, without a negative the farthest row; the mean is over all
    anchors. Put right: `soft` does not overflow (there infinity from a gap of 89 on), and float64 embeddings
    work (there a TypeError).

    Args:
        y_true: `(n,)` or `(n, 1)` labels.
        y_pred: `(n, d)` embeddings, usually L2-normalised.
        margin: of the hinge.
        soft: `log(1 + exp(d_ap - d_an))` in place of the hinge.
        distance_metric: `"L2"`, `"squared-L2"`, `"angular"` (1 - cosine), or a function of embeddings to
            `(n, n)`.

    Returns:
        Scalar of the dtype of `y_pred`.

    Example:
        >>> import numpy as np
        >>> float(triplet_hard_loss(np.array([0, 0]), np.eye(2, dtype="float32")))
        1.0
    """
    return hard(y_true, y_pred, margin=margin, soft=soft, distance_metric=distance_metric)


@register
def lifted_struct_loss(labels: Any, embeddings: Any, margin: float = 1.0) -> Any:
    """Lifted structure loss.

    Put right: 0 without positive pairs or without negatives, finite however far apart the rows are (there NaN
    in both), and float64 embeddings work (there a TypeError).

    Args:
        labels: `(n,)` or `(n, 1)` labels.
        embeddings: `(n, d)`, not normalised.
        margin: in units of the Euclidean distance.

    Returns:
        Scalar of the dtype of `embeddings`.
    """
    return lifted(labels, embeddings, margin=margin)


@register
def contrastive_loss(y_true: Any, y_pred: Any, margin: float = 1.0) -> Any:
    """Contrastive loss of distances: `y d^2 + (1 - y) max(0, margin - d)^2`, y = 1 for the same class.

    Put right: labels `(n, 1)` beside distances `(n,)` do not broadcast to `(n, n)`.

    Args:
        y_true: `(n,)` zeros and ones.
        y_pred: `(n,)` **distances**, not embeddings.
        margin: negatives farther than this are left alone.

    Returns:
        `(n,)` values.
    """
    distances = ops.convert_to_tensor(y_pred)
    same = ops.cast(ops.convert_to_tensor(y_true), distances.dtype)
    same = ops.reshape(same, ops.shape(distances))
    return same * distances**2 + (1 - same) * ops.relu(margin - distances) ** 2


@register
def npairs_loss(y_true: Any, y_pred: Any) -> Any:
    """N-pairs loss of a similarity matrix: cross-entropy of each row against its class, the diagonal included.

    Put right: labels are compared as integers (there as floats, in which ids above 2^24 collide), and may be a
    column (there NaN).

    Args:
        y_true: `(n,)` or `(n, 1)` labels.
        y_pred: `(n, n)` similarities.

    Returns:
        Scalar.
    """
    return mean_of_rows(npairs_rows(y_true, y_pred))


@register
def npairs_multilabel_loss(y_true: Any, y_pred: Any) -> Any:
    """N-pairs loss whose rows have several labels. Put right: a row without labels adds 0 (there NaN).

    Args:
        y_true: `(n, c)` multi-hot, dense or a `tf.SparseTensor`.
        y_pred: `(n, n)` similarities.

    Returns:
        Scalar.
    """
    return mean_of_rows(npairs_multilabel_rows(y_true, y_pred))


def mean_of_rows(values: Any, sample_weight: Any = None) -> Any:
    """Mean of `(n,)` values, each as often as its weight says, a number or `(n,)`; 0 of none."""
    weights = ops.ones_like(values)
    if sample_weight is not None:
        weights = weights * ops.reshape(ops.cast(sample_weight, values.dtype), (-1,))
    return ops.divide_no_nan(ops.sum(weights * values), ops.sum(weights))


def npairs_rows(y_true: Any, y_pred: Any) -> Any:
    """Each row's term of `npairs_loss`, `(n,)`."""
    labels = ops.reshape(ops.convert_to_tensor(as_labels(y_true)), (-1,))
    return _soft_cross_entropy(ops.equal(labels[:, None], labels[None, :]), y_pred)


def npairs_multilabel_rows(y_true: Any, y_pred: Any) -> Any:
    """Each row's term of `npairs_multilabel_loss`, `(n,)`."""
    if hasattr(y_true, "dense_shape"):
        import tensorflow as tf

        y_true = tf.sparse.to_dense(y_true)
    labels = ops.cast(ops.convert_to_tensor(y_true), "float32")
    return _soft_cross_entropy(ops.matmul(labels, ops.transpose(labels)), y_pred)


def _soft_cross_entropy(shared: Any, y_pred: Any) -> Any:
    logits = ops.convert_to_tensor(y_pred)
    shared = ops.cast(shared, logits.dtype)
    target = ops.divide_no_nan(shared, ops.sum(shared, axis=1, keepdims=True))
    return ops.sum(-target * ops.log_softmax(logits, axis=1), axis=1)


def semihard(y_true: Any, y_pred: Any, *, margin: float, distance_metric: Distance, **more: Any) -> Any:
    """`triplet_semihard_loss` with a `reduction` and `weights` of anchors."""
    known = None if callable(distance_metric) else 0.0
    return _rows(semihard_terms(margin, self_distance=known), y_true, y_pred, distance_metric, **more)


def hard(
    y_true: Any, y_pred: Any, *, margin: float, soft: bool, distance_metric: Distance, **more: Any
) -> Any:
    """`triplet_hard_loss` with a `reduction` and `weights` of anchors."""
    known = None if callable(distance_metric) else 0.0
    terms = hard_terms(margin, soft=soft, self_distance=known)
    return _rows(terms, y_true, y_pred, distance_metric, **more)


def lifted(y_true: Any, y_pred: Any, *, margin: float, reduction: str = "mean", weights: Any = None) -> Any:
    """`lifted_struct_loss` with a `reduction` and `weights` of anchors."""
    x, labels = _inputs(y_true, y_pred)
    if weights is None:
        return _as_given(_losses.lifted_structure_loss(x, labels, margin=margin, reduction=reduction), x)
    # each anchor's mean over its pairs, and how many they are
    values = _losses.lifted_structure_loss(x, labels, margin=margin, reduction="none")
    positive = (labels if isinstance(labels, Pairs) else from_labels(labels)).positive
    counted = weights * ops.sum(ops.cast(positive, weights.dtype), axis=1)
    total = ops.sum(values * ops.cast(counted, values.dtype))
    return total if reduction == "sum" else ops.divide_no_nan(total, ops.cast(ops.sum(counted), total.dtype))


def _rows(
    terms: Callable, y_true: Any, y_pred: Any, metric: Distance, reduction: str = "mean", weights: Any = None
) -> Any:
    x, labels = _inputs(y_true, y_pred)
    if callable(metric):
        half = keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")
        # the rows of the matrix are what the loss sees as embeddings, and as distances
        rows, distance = metric(ops.cast(x, "float32") if half else x), lambda rows, _: rows
    elif metric in _DISTANCES:
        rows, distance = x, _DISTANCES[metric]
    else:
        raise ValueError(
            f"distance_metric {metric!r} is not known; expected {', '.join(_DISTANCES)} or a function."
        )
    value = row_loss(terms, rows, labels, distance=distance, reduction=reduction, weights=weights)
    return _as_given(value, x)


def _inputs(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Embeddings as a tensor, and labels; labels that are floats are compared as they are."""
    x, labels = ops.convert_to_tensor(y_pred), as_labels(y_true)
    if isinstance(labels, Pairs) or not keras.backend.is_float_dtype(
        keras.backend.standardize_dtype(labels.dtype)
    ):
        return x, labels
    labels = ops.reshape(ops.convert_to_tensor(labels), (-1,))
    rows = ops.arange(ops.shape(labels)[0])
    same = ops.equal(labels[:, None], labels[None, :])
    itself = ops.equal(rows[:, None], rows[None, :])
    return x, Pairs(ops.logical_and(same, ops.logical_not(itself)), ops.logical_not(same))


def _as_given(value: Any, x: Any) -> Any:
    return ops.cast(value, x.dtype)
