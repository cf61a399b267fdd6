"""Keras 3 losses, one for each function of `nearfar.losses`: `triplet_loss` is `TripletLoss`; on three
backends.

    model.compile("adam", loss=nearfar.keras.TripletLoss(margin=0.2, mining="semihard"))
    model.fit(images, labels)  # or loss(labels, embeddings)

Labels stay integers (Keras' own losses cast them to float32, in which ids above 2^24 collide; JAX cuts them
to 32 bits in `fit` unless `jax_enable_x64` is on). A compiled model saves, and loads wherever `nearfar.keras`
is imported.

A loss with something to learn, such as proxies, keeps it in a layer that the model must hold:

    loss = nearfar.keras.ProxyAnchorLoss(num_classes=100, embedding_size=64)
    model = keras.Sequential([..., keras.layers.Dense(64), loss.layer])  # passes embeddings on as they are
"""

from collections.abc import Callable
from contextlib import nullcontext
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from . import _shells
from ._keras_batches import BalancedBatches
from ._keras_layer import LAYERS, LearntLayer
from ._keras_tensors import as_labels, share_of_replica
from .backends import backend_of
from .distributed import add_up, sharded

__all__ = ["BalancedBatches", "KerasLoss", "LearntLayer"]

# Keras' names of reductions; every mean is over the terms that count, by their weights if there are any
_REDUCTIONS = {None: "none", "sum_over_batch_size": "mean", "mean_with_sample_weight": "mean"}


class KerasLoss(keras.losses.Loss):
    """What all losses of this module have in common.

    With `sample_weight` `(n,)` or `(n, 1)` an anchor of weight 2 counts like that anchor given twice; a loss
    that takes no `weights` weighs each anchor's mean over its own terms. Keras' names of reductions are known
    too: each mean is `"mean"`, None is `"none"`.
    """

    _loss: _shells.Loss

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: Any = None,
        distributed: bool = False,
        layer: str | None = None,
        **options: Any,
    ):
        self._given_reduction = options.get("reduction", "mean")
        if "reduction" in options:
            options["reduction"] = _REDUCTIONS.get(self._given_reduction, self._given_reduction)
        values = self._loss.check(options)
        super().__init__(name=name, dtype=dtype)
        self._cast, self._distributed = dtype, distributed
        self._values = {name: values[name] for name in self._loss.settings if name not in self._loss.shapes}
        self.reduction: str = values.get("reduction", "mean")  # without: one number for the batch
        self._layer = LAYERS.get(layer) if layer else None
        self._handed_out = self._layer is not None
        self._learnt = (*self._loss.shapes, *values.get("learn", ()))
        if self._learnt and self._layer is None:
            starts = self._loss.starts(
                values, lambda shape: keras.ops.convert_to_numpy(keras.random.normal(shape))
            )
            shapes = {name: start.shape for name, start in starts.items()}
            self._layer = LearntLayer(shapes, starts, name=f"{self.name}_parameters")

    @property
    def layer(self) -> LearntLayer:
        """The layer that holds what the loss learns; put it last in the model.

        Raises:
            AttributeError: the loss learns nothing.
        """
        if self._layer is None:
            raise AttributeError(
                f"{self._loss.name} learns nothing, so it has no layer; leave it out of the model."
            )
        self._handed_out = True
        return self._layer

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of labels `y_true` and embeddings `y_pred`; the class's help says more."""
        with sharded() if self._distributed else nullcontext():
            value = self._reduced(y_true, y_pred, sample_weight)
        whole = "mean" in self.reduction or (self._distributed and self.reduction == "sum")
        return share_of_replica(value) if whole else value

    def _reduced(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
        if sample_weight is None:
            return self._value(y_true, y_pred, self.reduction)
        if "weights" in self._loss.tensors:
            weights: Any = keras.ops.reshape(keras.ops.convert_to_tensor(sample_weight), (-1,))
            if self._interleaved(y_pred) and weights.shape[0] == y_pred.shape[0]:
                weights = weights[:: self._count]
            return self._value(y_true, y_pred, self.reduction, weights=weights)
        if "reduction" not in self._loss.options:
            raise ValueError(f"{self._loss.name} is one number for the batch; leave sample_weight out.")
        return self._weighted(self._value(y_true, y_pred, "none"), sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss without weights."""
        return self._value(y_true, y_pred, self.reduction)

    def _value(self, y_true: Any, y_pred: Any, reduction: str, **more: Any) -> Any:
        if self._layer is not None and not self._handed_out:
            raise ValueError(
                f"what {self._loss.name} learns is in no model; put loss.layer last in the model, e.g. "
                "keras.Sequential([..., loss.layer])."
            )
        options = {name: self._values[name] for name in self._loss.options if name != "reduction"}
        learnt = {name: getattr(self._layer, name).value for name in self._learnt}
        if self._loss.inputs == ("embeddings", "labels"):
            tensors = [self._floats(y_pred), as_labels(y_true)]
        else:
            tensors = self._tuples(y_true, y_pred)
        if "reduction" in self._loss.options:
            options["reduction"] = reduction
        return self._loss.function(*tensors, **{**options, **learnt}, **more)

    def _floats(self, x: Any) -> Any:
        return keras.ops.convert_to_tensor(x, dtype=self._cast)

    @property
    def _count(self) -> int:
        """Tables of rows that the loss takes."""
        return sum(name not in ("same", "labels") for name in self._loss.inputs)

    def _interleaved(self, y_pred: Any) -> bool:
        """Whether explicit pairs or triplets are rows one after the other."""
        given = not isinstance(y_pred, (list, tuple)) and len(y_pred.shape) == 2
        return given and self._loss.inputs != ("embeddings", "labels")

    def _tuples(self, y_true: Any, y_pred: Any) -> list[Any]:
        """Explicit pairs and triplets: (n, k, d), rows laid out one after the other, or k tensors."""
        names = [name for name in self._loss.inputs if name != "same"]
        count, same = self._count, "same" in self._loss.inputs
        if isinstance(y_pred, (list, tuple)):
            parts = [self._floats(x) for x in y_pred]
        else:
            x = self._floats(y_pred)
            interleaved = self._interleaved(x)
            parts = [x[i::count] if interleaved else x[:, i] for i in range(count)]
            if same and interleaved:
                y_true = as_labels(y_true)
                y_true = y_true[::count] if y_true.shape[0] == x.shape[0] else y_true
        if len(parts) != count or any(len(x.shape) != 2 for x in parts):
            raise ValueError(
                f"{self._loss.name} got {[tuple(x.shape) for x in parts]}; expected {' and '.join(names)} "
                f"as (n, {count}, d), as rows one after the other ({count} n, d), or as {count} tensors."
            )
        return [*parts, as_labels(y_true)] if same else parts

    def _weighted(self, values: Any, weights: Any) -> Any:
        weights = keras.ops.cast(keras.ops.convert_to_tensor(weights), values.dtype)
        weights = keras.ops.reshape(weights, (-1,))
        if None not in (*values.shape, *weights.shape) and tuple(values.shape) != tuple(weights.shape):
            raise ValueError(
                f"sample_weight has {weights.shape[0]} values but {self._loss.name} {values.shape[0]} terms "
                "that it could weigh; leave it out."
            )
        weighted = values * weights
        if self.reduction == "none":
            return weighted
        counted = keras.ops.where(values > 0, weights, 0.0) if self.reduction == "active_mean" else weights
        total, count = add_up(backend_of(values), [keras.ops.sum(weighted), keras.ops.sum(counted)])
        return total if self.reduction == "sum" else keras.ops.divide_no_nan(total, count)

    def get_config(self) -> dict[str, Any]:
        """What makes a loss like this. Functions among the options must be registered with Keras to load."""
        learnt = {
            name: np.asarray(self._values[name]).tolist() for name in self._learnt if name in self._values
        }
        config = {**self._values, **learnt}
        if "reduction" in config:
            config["reduction"] = self._given_reduction
        if self._cast is not None:
            config["dtype"] = self._cast
        if self._distributed:
            config["distributed"] = True
        if self._layer is not None:
            config["layer"] = self._layer.key
        saved = {name: keras.saving.serialize_keras_object(value) for name, value in config.items()}
        return {"name": self.name, **saved}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KerasLoss":
        """The loss that `get_config` tells of; in a saved model, what it learns is in the model's layer."""
        load = keras.saving.deserialize_keras_object
        return cls(**{k: load(v) if isinstance(v, (dict, list)) else v for k, v in config.items()})

    def __dir__(self) -> list[str]:
        """Without the layer: Keras saves what it finds here, and the model holds the layer already."""
        return [name for name in super().__dir__() if name not in ("layer", "_layer")]

    def __repr__(self) -> str:
        """The class and its options."""
        return f"{self._loss.name}({_shells.representation(self._loss, self._values)})"


def _more(loss: _shells.Loss) -> list[Parameter]:
    parameters = [Parameter("name", Parameter.KEYWORD_ONLY, default=None, annotation=str | None)]
    parameters.append(Parameter("dtype", Parameter.KEYWORD_ONLY, default=None, annotation=Any))
    parameters.append(Parameter("distributed", Parameter.KEYWORD_ONLY, default=False, annotation=bool))
    return parameters


def _class_of(loss: _shells.Loss) -> type[KerasLoss]:
    entries = (
        "name: of the loss, in progress bars.\n"
        "dtype: to cast embeddings to; None computes float64 in float64 and everything else in float32.\n"
        "distributed: the loss of the batch that all replicas of a `tf.distribute` strategy hold together; under\n"
        "    `keras.distribution` on JAX it is that anyway. See `nearfar.distributed.sharded`.\n"
    )
    explicit = loss.inputs != ("embeddings", "labels")
    first = "same" if "same" in loss.inputs else "any" if explicit else "labels"
    rest = [name for name in loss.inputs if name not in ("labels", "same")]
    call = f"`loss({first}, {'stacked' if explicit else 'embeddings'}, sample_weight=None)`"
    if explicit:
        call += f"; stacked is `(n, {len(rest)}, d)`, or `({len(rest)} n, d)` with {', '.join(rest)} in turn"
    return type(
        loss.name,
        (KerasLoss,),
        {
            "__doc__": _shells.documentation(loss, call, more=entries, example=_example(loss, rest, first)),
            "__module__": __name__,
            "__signature__": _shells.signature(loss, _more(loss)),
            "_loss": loss,
        },
    )


def _example(loss: _shells.Loss, rest: list[str], first: str) -> str:
    true = {"same": "[True, True, False, False]", "labels": "[0, 0, 1, 1]"}.get(first, "None")
    shape = (4, 8) if first == "labels" else (4, len(rest), 8)
    layer = ">>> layer = loss.layer  # put it last in the model\n" if loss.shapes else ""
    return (
        f">>> import keras\n>>> loss = {loss.name}({_shells.required(loss)})\n{layer}"
        f">>> tuple(loss({true}, keras.random.normal({shape})).shape)\n()"
    )


def loss_class(function: Callable[..., Any]) -> type[KerasLoss]:
    """The Keras loss of a function of one's own that is written like those of `nearfar.losses`.

    Args:
        function: `function(embeddings, labels, *, option=default, ..., reduction="mean")`. Keyword tensors
            without a default are learnt; their shape is read off the docstring, as in "proxies: `(classes,
            d)`".

    Returns:
        A subclass of `KerasLoss`, registered under the function's name in CamelCase.

    Example:
        >>> from nearfar import losses
        >>> loss_class(losses.triplet_loss)(margin=0.5).name
        'triplet_loss'
    """
    found = _class_of(_shells.loss_of(function))
    return keras.saving.register_keras_serializable(package="nearfar")(found)


_CLASSES = {name: _class_of(loss) for name, loss in _shells.losses_by_class().items()}
globals().update(_CLASSES)
for _found in _CLASSES.values():
    keras.saving.register_keras_serializable(package="nearfar")(_found)
__all__ += [*_CLASSES, "loss_class"]

if TYPE_CHECKING:

    def __getattr__(name: str) -> type[KerasLoss]: ...
