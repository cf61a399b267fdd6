"""Distances between every anchor and every reference: `(a, d), (r, d) -> (a, r)`. They grow as rows differ.

A distance comes in two steps, so that blocks of anchors share the first: `prepare` works on whole inputs (centring,
normalising, squared norms), `compare` on a block of prepared anchors against all prepared references.
"""

from collections.abc import Callable
from typing import NamedTuple

from .backends import Backend, Tensor, backend_of

__all__ = ["NAMES", "Distance", "paired", "pairwise", "resolve"]

DistanceLike = "str | Callable[[Tensor, Tensor], Tensor]"


class Distance(NamedTuple):
    """A named distance in its two steps."""

    prepare: Callable[[Backend, Tensor, Tensor], tuple[Tensor, Tensor]]
    compare: Callable[[Backend, Tensor, Tensor], Tensor]
    paired: Callable[[Backend, Tensor, Tensor], Tensor]  #: (n, d), (n, d) -> (n,), row by row
    broadcasts: bool = False  #: needs (a, r, d) memory in frameworks that do not fuse


def pairwise(x: Tensor, y: Tensor | None = None, distance: str | Callable = "euclidean") -> Tensor:
    """Distance of every row of `x` to every row of `y`.

    Half precision is computed and returned in float32.

    Args:
        x: `(a, d)` floats.
        y: `(r, d)` floats; `x` itself when left out.
        distance: `"euclidean"`, `"squared_euclidean"`, `"cosine"` (1 - cosine, 0 ... 2; a zero row has cosine 0 with
            everything), `"manhattan"`, `"chebyshev"`, `"dot"` (minus the inner product), or a function of
            `(a, d), (r, d)` to `(a, r)`.

    Returns:
        `(a, r)` distances. The Euclidean ones come from one matrix product of rows that are centred first. With `s` the
        larger squared norm of the two centred rows, a squared distance is within `4 d eps s` of the true one
        (`eps` = 1.2e-7 in float32; in practice a few `eps s`), is never negative, and has slope 0 where it is 0.

    Raises:
        ValueError: not two tables of equally long rows, or an unknown name.
        TypeError: tensors of two frameworks, or a distance that is neither a name nor a function.

    Example:
        >>> import numpy as np
        >>> pairwise(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]]))
        array([[5., 0.]])
    """
    other: Tensor = x if y is None else y
    xp = backend_of(x, other)
    if len(x.shape) != 2 or len(other.shape) != 2 or x.shape[1] != other.shape[1]:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(other.shape)}; expected (a, d) and (r, d) with the same d."
        )
    kind = resolve(distance)
    left = xp.asfloat(x)
    return kind.compare(xp, *kind.prepare(xp, left, left if x is other else xp.asfloat(other)))


def resolve(distance: str | Callable) -> Distance:
    """The two steps of a distance given by name or as a function of `(a, d), (r, d)` to `(a, r)`."""
    if callable(distance):
        return Distance(_as_is, lambda xp, x, y: distance(x, y), lambda xp, x, y: distance(x, y))
    if not isinstance(distance, str):
        raise TypeError(
            f"distance is {type(distance).__name__}; expected a name ({', '.join(NAMES)}) or a function."
        )
    if distance not in _DISTANCES:
        raise ValueError(
            f"distance {distance!r} is not known; expected one of {', '.join(NAMES)}, or a function."
        )
    return _DISTANCES[distance]


def paired(x: Tensor, y: Tensor, distance: str | Callable) -> Tensor:
    """Distance of each row of `x` to the same row of `y`: `(n, d), (n, d) -> (n,)`; a function does just that."""
    return resolve(distance).paired(backend_of(x, y), x, y)


def _as_is(xp: Backend, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x, y


def _normalised(xp: Backend, x: Tensor) -> Tensor:
    norm = xp.sqrt(xp.sum(x * x, axis=1))[:, None]
    return x / xp.where(norm > 0, norm, 1.0)


def _prepare_cosine(xp: Backend, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    right = _normalised(xp, y)
    return (right if x is y else _normalised(xp, x)), right


def _prepare_euclidean(xp: Backend, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    # |x - y|^2 as one product of (-2x, |x|^2, 1) and (y, 1, |y|^2); centring keeps a common offset from cancelling digits
    centre = xp.stop_gradient(xp.mean(y, axis=0))[None, :]
    own = x is y
    y = y - centre
    squares = xp.sum(y * y, axis=1)[:, None]
    ones = xp.full_like(squares, 1.0)
    right = xp.concat([y, ones, squares], axis=1)
    if own:
        return xp.concat([-2 * y, squares, ones], axis=1), right
    x = x - centre
    squares = xp.sum(x * x, axis=1)[:, None]
    return xp.concat([-2 * x, squares, xp.full_like(squares, 1.0)], axis=1), right


def _product(xp: Backend, x: Tensor, y: Tensor) -> Tensor:
    return x @ xp.matrix_transpose(y)


def _differences(xp: Backend, x: Tensor, y: Tensor) -> Tensor:
    return xp.abs(x[:, None, :] - y[None, :, :])


_DISTANCES = {
    "euclidean": Distance(
        _prepare_euclidean,
        lambda xp, x, y: xp.sqrt(_product(xp, x, y)),
        lambda xp, x, y: xp.sqrt(xp.sum((x - y) * (x - y), axis=1)),
    ),
    "squared_euclidean": Distance(
        _prepare_euclidean,
        lambda xp, x, y: xp.relu(_product(xp, x, y)),
        lambda xp, x, y: xp.sum((x - y) * (x - y), axis=1),
    ),
    "cosine": Distance(
        _prepare_cosine,
        lambda xp, x, y: 1 - _product(xp, x, y),
        lambda xp, x, y: 1 - xp.sum(_normalised(xp, x) * _normalised(xp, y), axis=1),
    ),
    "dot": Distance(_as_is, lambda xp, x, y: -_product(xp, x, y), lambda xp, x, y: -xp.sum(x * y, axis=1)),
    "manhattan": Distance(
        _as_is,
        lambda xp, x, y: xp.sum(_differences(xp, x, y), axis=2),
        lambda xp, x, y: xp.sum(xp.abs(x - y), axis=1),
        broadcasts=True,
    ),
    "chebyshev": Distance(
        _as_is,
        lambda xp, x, y: xp.max(_differences(xp, x, y), axis=2),
        lambda xp, x, y: xp.max(xp.abs(x - y), axis=1),
        broadcasts=True,
    ),
}
NAMES = tuple(_DISTANCES)
