"""Which framework Keras runs on: chosen before Keras is imported, since it binds one a process."""

import importlib.util
import os
import sys

from .errors import ConfigError

__all__ = ["bound_backend", "select_backend"]

_ORDER = ("torch", "jax", "tensorflow")


def select_backend(name: str | None = None) -> str:
    """Bind Keras to a framework.

    Args:
        name: `"torch"`, `"jax"` or `"tensorflow"`; None takes what Keras already runs on in this process,
            then `KERAS_BACKEND`, then the first of the three that is installed.

    Returns:
        The name of the framework.

    Raises:
        ConfigError: it, or Keras, is not installed, or Keras already runs on another one.
    """
    bound = bound_backend()
    installed = [one for one in _ORDER if importlib.util.find_spec(one)]
    name = name or bound or os.environ.get("KERAS_BACKEND") or (installed[0] if installed else None)
    if name is None:
        raise ConfigError("training needs PyTorch, JAX or TensorFlow: pip install 'nearfar[jax,train]'.")
    if name not in _ORDER:
        raise ConfigError(
            f"backend {name!r} is not known; expected one of {', '.join(_ORDER)} (see KERAS_BACKEND)."
        )
    if name not in installed:
        raise ConfigError(f"backend {name!r} is not installed: pip install 'nearfar[{name},train]'.")
    if bound is not None and bound != name:
        raise ConfigError(
            f"backend is {name!r} but Keras already runs on {bound!r} in this process; start a new one."
        )
    if importlib.util.find_spec("keras") is None:
        raise ConfigError(f"training needs Keras 3: pip install 'nearfar[{name},train]'.")
    os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its start-up notices are no news to a user
    import keras

    return keras.backend.backend()


def bound_backend() -> str | None:
    """What Keras already runs on in this process; None before it is imported."""
    keras = sys.modules.get("keras")
    return None if keras is None else keras.backend.backend()
