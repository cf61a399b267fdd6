"""The backend of the tensors in hand. No framework is imported here before one of its tensors is seen."""

import sys
from typing import Any

from .contract import Backend, Tensor

__all__ = ["Backend", "Tensor", "backend_of"]

_by_type: dict[type, Any] = {}


def backend_of(*tensors: Any) -> Backend:
    """The backend that all `tensors` belong to (None is passed over; JAX takes NumPy arrays beside its own).

    Raises:
        TypeError: tensors of two frameworks, or something that is no tensor.
    """
    backend = None
    for tensor in tensors:
        if tensor is None:
            continue
        found = _by_type.get(type(tensor)) or _resolve(tensor)
        if backend is None or (backend.name == "numpy" and found.name == "jax"):
            backend = found
        elif found is not backend and not (backend.name == "jax" and found.name == "numpy"):
            first = next(t for t in tensors if t is not None)
            raise TypeError(
                f"the tensors are of two frameworks, {_name(first)} and {_name(tensor)}; "
                f"convert one, e.g. {_CONVERT[backend.name]}."
            )
    assert backend is not None  # the public doors pass at least one tensor
    return backend


_CONVERT = {
    "numpy": "numpy.asarray(x)",
    "torch": "torch.as_tensor(x)",
    "jax": "jax.numpy.asarray(x)",
    "tensorflow": "tensorflow.convert_to_tensor(x)",
}


def _name(tensor: Any) -> str:
    return f"{type(tensor).__module__.split('.')[0]}.{type(tensor).__name__}"


def _resolve(tensor: Any) -> Any:
    loaded = sys.modules
    if "torch" in loaded and isinstance(tensor, loaded["torch"].Tensor):
        from . import _torch as backend
    elif "jax" in loaded and isinstance(tensor, loaded["jax"].Array):  # tracers pass isinstance only
        from . import _jax as backend
    elif "tensorflow" in loaded and isinstance(
        tensor, (loaded["tensorflow"].Tensor, loaded["tensorflow"].Variable)
    ):
        from . import _tensorflow as backend
    elif type(tensor).__module__.startswith("numpy"):
        from . import _numpy as backend
    else:
        raise TypeError(
            f"expected a numpy, torch, jax or tensorflow tensor, got {_name(tensor)}; convert it, e.g. numpy.asarray(x)."
        )
    _by_type[type(tensor)] = backend
    return backend
