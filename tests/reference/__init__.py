"""Each paper's loops in plain NumPy float64, one file per family, and the table of cases that the tests run.

A case names a loss, the loop it must agree with, and options. `CASES` of every module here are run by test_losses.py.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """One loss with one set of options against one loop."""

    loss: str  #: name in nearfar.losses
    loop: Callable[
        ..., float
    ]  #: loop(embeddings, labels, *parameters, **options) -> what reduction="mean" gives
    options: dict[str, Any] = {}
    parameters: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {}
    #: name of a learnable tensor argument -> how to draw it from (generator, classes, dimension)
    normalised: bool = False  #: the paper assumes rows of length 1
    blocks: bool = True  #: runs in blocks of rows
    permutable: bool = True  #: the value does not depend on the order of the batch
    slope: bool = (
        True  #: False where the paper holds something constant (sampling weights) that values depend on
    )
    invalid_is_zero: bool = True  #: 0 for a batch without any valid pair

    @property
    def id(self) -> str:
        return "-".join([self.loss, *(f"{k}={getattr(v, '__name__', v)}" for k, v in self.options.items())])


def distances(x, y, kind="euclidean"):
    """Every distance by its definition, one pair at a time."""
    formula = {
        "euclidean": lambda a, b: np.sqrt(((a - b) ** 2).sum()),
        "squared_euclidean": lambda a, b: ((a - b) ** 2).sum(),
        "cosine": lambda a, b: 1 - (a / np.linalg.norm(a)) @ (b / np.linalg.norm(b)),
        "manhattan": lambda a, b: np.abs(a - b).sum(),
        "chebyshev": lambda a, b: np.abs(a - b).max(),
        "dot": lambda a, b: -(a @ b),
    }[kind]
    out = [[formula(a, b) for b in np.asarray(y, float)] for a in np.asarray(x, float)]
    return np.array(out).reshape(len(x), len(y))


def positives_and_negatives(labels):
    """For each anchor the lists of its positives and of its negatives."""
    n = range(len(labels))
    return [
        ([p for p in n if p != a and labels[p] == labels[a]], [q for q in n if labels[q] != labels[a]])
        for a in n
    ]


def mean(terms):
    """Mean, 0 of nothing."""
    return float(np.mean(terms)) if len(terms) else 0.0


def all_cases() -> list[Case]:
    """The cases of every family."""
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return [case for module in modules for case in module.CASES]
