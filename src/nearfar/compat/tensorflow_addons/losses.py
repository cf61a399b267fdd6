"""`tfa.losses`: signatures, defaults, string keys and values of TensorFlow Addons 0.23.

Put right in all of them: labels of any integer width stay distinct, memory is O(n^2) at most (there O(n^3)).
"""

from collections.abc import Callable
from typing import Any

import keras

from ..._keras_tensors import share_of_replica
from ._functions import (
    contrastive_loss,
    hard,
    lifted,
    lifted_struct_loss,
    mean_of_rows,
    npairs_loss,
    npairs_multilabel_loss,
    npairs_multilabel_rows,
    npairs_rows,
    register,
    semihard,
    triplet_hard_loss,
    triplet_semihard_loss,
)

__all__ = [
    "ContrastiveLoss",
    "LiftedStructLoss",
    "NpairsLoss",
    "NpairsMultilabelLoss",
    "TripletHardLoss",
    "TripletSemiHardLoss",
    "contrastive_loss",
    "lifted_struct_loss",
    "npairs_loss",
    "npairs_multilabel_loss",
    "triplet_hard_loss",
    "triplet_semihard_loss",
]

Distance = str | Callable[[Any], Any]


def standard(reduction: str | None) -> str | None:
    """Keras 3's name of a Keras 2 reduction.

    Raises:
        ValueError: a name that neither knows.
    """
    if reduction not in ("auto", "none", "sum", "sum_over_batch_size", None):
        raise ValueError(
            f"reduction {reduction!r} is not known; expected 'sum_over_batch_size', 'sum', 'none' or 'auto'."
        )
    return "sum_over_batch_size" if reduction == "auto" else reduction


class _BatchLoss(keras.losses.Loss):
    """A loss whose terms depend on the whole batch, so that Keras has nothing left to reduce."""

    _run: Callable[..., Any]

    def __init__(
        self, settings: dict[str, Any], name: str | None, reduction: str | None = "none", dtype: Any = None
    ):
        super().__init__(name=name, dtype=dtype)
        self.reduction = standard(reduction)
        self._settings = settings

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss; a sample of weight 2 is an anchor that counts twice."""
        more = {}
        if sample_weight is not None:
            weights: Any = keras.ops.cast(sample_weight, "float32")
            more["weights"] = keras.ops.reshape(weights, (-1,))
        summed = self.reduction == "sum"
        value = type(self)._run(
            y_true, y_pred, **self._settings, **more, reduction="sum" if summed else "mean"
        )
        return value if summed else share_of_replica(value)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss without weights."""
        return self(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """What makes a loss like this. A function as `distance_metric` must be registered with Keras to load."""
        saved = {name: keras.saving.serialize_keras_object(value) for name, value in self._settings.items()}
        return {"name": self.name, "reduction": self.reduction, **saved}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "_BatchLoss":
        """The loss that `get_config` tells of."""
        load = keras.saving.deserialize_keras_object
        return cls(**{name: load(v) if isinstance(v, dict) else v for name, v in config.items()})


@register
class TripletSemiHardLoss(_BatchLoss):
    """`triplet_semihard_loss` as a Keras loss.

    Put right: `sample_weight` weighs anchors (there an error), and `reduction="sum"` sums (there every reduction
    was ignored); every other one gives the mean over positive pairs.

    Args:
        margin: of the hinge.
        distance_metric: `"L2"`, `"squared-L2"`, `"angular"`, or a function of embeddings to `(n, n)`.
        name: of the loss.
        **kwargs: `reduction` and `dtype`.
    """

    _run = staticmethod(semihard)

    def __init__(
        self, margin: float = 1.0, distance_metric: Distance = "L2", name: str | None = None, **kwargs: Any
    ):
        super().__init__({"margin": margin, "distance_metric": distance_metric}, name, **kwargs)


@register
class TripletHardLoss(_BatchLoss):
    """`triplet_hard_loss` as a Keras loss.

    Put right: `sample_weight` weighs anchors (there an error), and `reduction="sum"` sums (there every reduction
    was ignored); every other one gives the mean over anchors.

    Args:
        margin: of the hinge.
        soft: `log(1 + exp(d_ap - d_an))` in place of the hinge.
        distance_metric: `"L2"`, `"squared-L2"`, `"angular"`, or a function of embeddings to `(n, n)`.
        name: of the loss.
        **kwargs: `reduction` and `dtype`.
    """

    _run = staticmethod(hard)

    def __init__(
        self,
        margin: float = 1.0,
        soft: bool = False,
        distance_metric: Distance = "L2",
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__({"margin": margin, "soft": soft, "distance_metric": distance_metric}, name, **kwargs)


@register
class LiftedStructLoss(_BatchLoss):
    """`lifted_struct_loss` as a Keras loss.

    Put right: `sample_weight` weighs anchors (there an error), and `reduction="sum"` sums (there every reduction
    was ignored); every other one gives the mean over pairs.

    Args:
        margin: in units of the Euclidean distance.
        name: of the loss.
        **kwargs: `reduction` and `dtype`.
    """

    _run = staticmethod(lifted)

    def __init__(self, margin: float = 1.0, name: str | None = None, **kwargs: Any):
        super().__init__({"margin": margin}, name, **kwargs)


@register
class ContrastiveLoss(keras.losses.Loss):
    """`contrastive_loss` as a Keras loss: y = 1 for the same class, and `y_pred` are distances.

    As every loss of Keras 3 it is computed in `keras.config.floatx()`.

    Args:
        margin: negatives farther than this are left alone.
        reduction: `"sum_over_batch_size"`, `"sum"` or `"none"`.
        name: of the loss.
    """

    def __init__(
        self, margin: float = 1.0, reduction: str = "sum_over_batch_size", name: str = "contrastive_loss"
    ):
        super().__init__(name=name, reduction=standard(reduction) or "none")
        self.margin = margin

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """`(n,)` values, which Keras weighs and reduces."""
        return contrastive_loss(y_true, y_pred, self.margin)

    def get_config(self) -> dict[str, Any]:
        """What makes a loss like this."""
        return {**super().get_config(), "margin": self.margin}


class _MatrixLoss(keras.losses.Loss):
    """A loss of a similarity matrix; labels stay as they are."""

    _rows: Callable[..., Any]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The mean over rows; a sample of weight 2 is a row that counts twice."""
        return share_of_replica(mean_of_rows(self.call(y_true, y_pred), sample_weight))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """`(n,)` values, one a row."""
        return type(self)._rows(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """What makes a loss like this."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "_MatrixLoss":
        """The loss that `get_config` tells of."""
        return cls(config.get("name"))


@register
class NpairsLoss(_MatrixLoss):
    """`npairs_loss` as a Keras loss.

    Put right: `sample_weight` weighs rows (there an error).

    Args:
        name: of the loss.
    """

    _rows = staticmethod(npairs_rows)

    def __init__(self, name: str | None = "npairs_loss"):
        super().__init__(name=name)


@register
class NpairsMultilabelLoss(_MatrixLoss):
    """`npairs_multilabel_loss` as a Keras loss.

    Put right: `sample_weight` weighs rows (there an error).

    Args:
        name: of the loss.
    """

    _rows = staticmethod(npairs_multilabel_rows)

    def __init__(self, name: str | None = "npairs_multilabel_loss"):
        super().__init__(name=name)
