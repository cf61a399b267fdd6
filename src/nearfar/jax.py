"""The losses for JAX: the functions themselves, and Flax modules, for what a loss learns, such as proxies.

    nearfar.jax.triplet_loss(embeddings, labels, mining="hard")  # under jit, grad, vmap and shard_map
    loss = nearfar.jax.ProxyAnchorLoss(num_classes=100, embedding_size=64, rngs=nnx.Rngs(0))  # flax.nnx
    loss = nearfar.jax.linen.ProxyAnchorLoss(num_classes=100, embedding_size=64)  # flax.linen

The modules are made from the functions' signatures when first asked for; the functions need no Flax.
"""

from collections.abc import Callable
from functools import cache
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import jax

from . import _shells, losses

__all__ = ["linen", "linen_class", "nnx_class", *losses.__all__]

globals().update({name: getattr(losses, name) for name in losses.__all__})


@cache
def nnx_class(function: Callable[..., Any]) -> type:
    """The `flax.nnx.Module` of a loss function: `cls(*, rngs, **options)`, called like the function.

    Args:
        function: of `nearfar.losses`, or one's own written like them; keyword tensors without a default are
            learnt, and held as `nnx.Param`.

    Returns:
        The class; the same one every time.
    """
    from flax import nnx

    loss = _shells.loss_of(function)

    class Module(nnx.Module):
        def __init__(self, *, rngs: nnx.Rngs | None = None, **options: Any):
            values = loss.check(options)
            starts = loss.starts(values, lambda shape: _normal(_key(loss, rngs), shape))
            for name in loss.settings:
                if name not in starts:
                    setattr(self, name, values[name])
            for name, start in starts.items():
                setattr(self, name, nnx.Param(jax.numpy.asarray(start)))

        def __call__(self, *tensors: Any, **more: Any) -> Any:
            held = {name: getattr(self, name) for name in (*loss.options, *loss.shapes)}
            values = {name: x[...] if isinstance(x, nnx.Param) else x for name, x in held.items()}
            return function(*tensors, **more, **values)

    rngs = Parameter("rngs", Parameter.KEYWORD_ONLY, default=None, annotation="nnx.Rngs | None")
    entry = "rngs: where first values are drawn from; not needed where nothing is learnt.\n"
    return _dressed(Module, loss, [rngs], entry)


def _key(loss: _shells.Loss, rngs: Any) -> Any:
    if rngs is None:
        raise TypeError(f"{loss.name} came without rngs; expected {loss.name}(..., rngs=nnx.Rngs(0)).")
    return rngs.params()


def _normal(key: Any, shape: tuple[int, ...]) -> Any:
    return jax.random.normal(key, shape)


@cache
def linen_class(function: Callable[..., Any]) -> type:
    """The `flax.linen.Module` of a loss function: `cls(**options)`, applied like the function.

    Args:
        function: of `nearfar.losses`, or one's own written like them; keyword tensors without a default are
            learnt, and held in the collection `params`.

    Returns:
        The class; the same one every time.
    """
    from flax import linen

    loss = _shells.loss_of(function)

    def __post_init__(self: Any) -> None:
        loss.check({name: getattr(self, name) for name in loss.settings})
        linen.Module.__post_init__(self)

    @linen.compact
    def __call__(self: Any, *tensors: Any, **more: Any) -> Any:
        values = {name: getattr(self, name) for name in loss.settings}

        def start(key: Any, name: str) -> Any:
            return jax.numpy.asarray(loss.starts(values, lambda shape: _normal(key, shape))[name])

        options = {name: values[name] for name in loss.options}
        learnt = {name: self.param(name, start, name) for name in (*loss.shapes, *values.get("learn", ()))}
        return function(*tensors, **more, **{**options, **learnt})

    fields: dict[str, Any] = {
        name: p.default for name, p in loss.settings.items() if p.default is not p.empty
    }
    fields |= {"__annotations__": dict.fromkeys(loss.settings, Any), "__post_init__": __post_init__}
    fields |= {"__call__": __call__, "__module__": __name__}
    made: Any = type(loss.name, (linen.Module,), fields, kw_only=True)  # pyright: ignore[reportCallIssue]  # flax's own
    return _dressed(made, loss, [], "")


def _dressed(made: Any, loss: _shells.Loss, more: list[Parameter], entry: str) -> type:
    made.__name__, made.__qualname__, made.__module__ = loss.name, loss.name, __name__
    made.__doc__ = _shells.documentation(loss, f"`loss({', '.join(loss.inputs)})`", more=entry)
    made.__signature__ = _shells.signature(loss, more)
    return made


class _Classes:
    """Namespace of classes by the loss's name."""

    def __init__(self, make: Callable[[Callable[..., Any]], type]):
        self._make = make

    def __getattr__(self, name: str) -> type:
        loss = _shells.losses_by_class().get(name)
        if loss is None:
            raise AttributeError(f"nearfar has no loss {name!r}; expected one of {', '.join(dir(self))}.")
        return self._make(loss.function)

    def __dir__(self) -> list[str]:
        return sorted(_shells.losses_by_class())


linen = _Classes(linen_class)
_nnx = _Classes(nnx_class)

if not TYPE_CHECKING:

    def __getattr__(name):
        if name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_nnx, name)

else:

    def __getattr__(name: str) -> Any: ...


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_nnx)})
