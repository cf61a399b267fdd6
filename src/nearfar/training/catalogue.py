"""The losses by name, and their options by signature."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._shells import Loss, loss_of
from ..losses.catalogue import Training, entry
from .errors import ConfigError
from .tables import MADE_FOR, tables

__all__ = [
    "check_loss",
    "imported",
    "loss_called",
    "loss_name",
    "loss_names",
    "loss_settings",
    "loss_training",
]


#: settings of a loss that follow from the data and the model
_FILLED = ("num_classes", "embedding_size")


def loss_names() -> list[str]:
    """The losses of `nearfar.losses`."""
    from .. import losses

    return list(losses.__all__)


def loss_training(name: str) -> Training:
    """What the catalogue says of training with a loss; for one's own what it says of most."""
    return Training() if ":" in name else entry(name).training


def loss_name(text: str) -> str:
    """The full name of a loss: `triplet` is `triplet_loss`; `package.module:function` stays as it is.

    Raises:
        ConfigError: a name that is not known.
    """
    if ":" in text:
        return text
    names = loss_names()
    for name in (text, f"{text}_loss"):
        if name in names:
            return name
    raise ConfigError(
        f"loss {text!r} is not known; expected one of {', '.join(names)} or package.module:function."
    )


def loss_called(name: str) -> Loss:
    """The loss behind a name that `loss_name` gave.

    Raises:
        ConfigError: one's own function that is not found, or takes other inputs.
    """
    if ":" not in name:
        from .. import losses

        return loss_of(getattr(losses, name))
    loss = loss_of(imported("loss", name))
    if len(loss.inputs) != 2 and loss.inputs not in MADE_FOR:
        raise ConfigError(
            f"loss {name!r} takes ({', '.join(loss.inputs)}); expected (embeddings, labels, *, options)."
        )
    return loss


def loss_settings(loss: Loss, options: Mapping[str, Any], num_classes: int, dim: int) -> dict[str, Any]:
    """Every setting's value: as in `options`, as the data and the model have it, or the default.

    Raises:
        ConfigError: an option that the loss does not have, or a value that it refuses.
    """
    known = [name for name in loss.settings if name not in (*_FILLED, *loss.shapes)]
    for name, value in options.items():
        if name not in known:
            expected = ", ".join(known) or "none"
            raise ConfigError(
                f"loss option {name!r} is not one of {loss.function.__name__}'s; expected {expected}."
            )
        if type(loss.settings[name].default) in (float, int) and not isinstance(value, float | int):
            raise ConfigError(
                f"loss option {name} of {loss.function.__name__} is {value!r}; expected a number."
            )
    if options.get("reduction") == "none":
        raise ConfigError("loss option reduction is 'none'; expected mean, active_mean or sum, one number.")
    sizes = {"num_classes": num_classes, "embedding_size": dim}
    given = {**{name: size for name, size in sizes.items() if name in loss.settings}, **options}
    try:
        return loss.check(given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"loss_options: {error}") from None


def check_loss(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a loss or options that cannot work, before data or a framework are loaded.

    Raises:
        ConfigError: with the options or values that the loss does take.
    """
    loss = loss_called(name)
    values = loss_settings(loss, options, 2, 4)
    if ":" in name:
        return  # one's own may know one framework only
    starts = loss.starts(values, lambda shape: np.ones(shape, np.float32))
    fixed = {option: values[option] for option in loss.options if option not in starts}
    try:
        batch = tables(loss.inputs, np.eye(4, dtype=np.float32), np.array([0, 0, 1, 1]))
        loss.function(*batch, **fixed, **starts)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"loss_options of {name}: {error}") from None


def imported(what: str, path: str) -> Callable:
    """The function that `package.module:function` names, looked for in the working directory too.

    Raises:
        ConfigError: no such module, or nothing of that name in it.
    """
    module, _, name = path.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # as `python -m` does; a console script's path starts elsewhere
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(error.name + ".")):
            raise ConfigError(
                f"{what} {path!r}: there is no module {module!r} here or on the Python path."
            ) from None
        raise
    except AttributeError:
        raise ConfigError(f"{what} {path!r}: module {module!r} has nothing named {name!r}.") from None
    if not callable(found):
        raise ConfigError(f"{what} {path!r} is {type(found).__name__}; expected a function.")
    return found
