"""nearfar: deep metric learning for every Python framework. Pull the same near, push the different far."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .index import EmbeddingIndex as EmbeddingIndex

__version__ = "0.1.0"

_SUBMODULES = (
    "combine",
    "compat",
    "data",
    "debug",
    "distances",
    "distributed",
    "evaluation",
    "losses",
    "memory",
    "mining",
    "pairs",
    "regularizers",
    "samplers",
    "training",
    "visualize",
)
__all__ = ["EmbeddingIndex", *_SUBMODULES]


def __getattr__(name: str) -> Any:
    # imported on first use, so that `import nearfar` is quick and needs NumPy alone
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "EmbeddingIndex":
        return importlib.import_module(f"{__name__}.index").EmbeddingIndex
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
