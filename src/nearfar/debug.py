"""Checks that read values, off by default because reading stops compiled and accelerated code.

`nearfar.debug.enable()` makes every batch loss refuse embeddings that are NaN or infinite and name the rows.
"""

from .backends import Backend, Tensor

__all__ = ["check_finite", "enable"]

_enabled = False


def enable(on: bool = True) -> None:
    """Turns the checks on, or off again with `enable(False)`.

    Example:
        >>> enable()
        >>> enable(False)
    """
    global _enabled
    _enabled = on


def check_finite(xp: Backend, x: Tensor, name: str) -> None:
    """Raises ValueError naming the rows of `x` (n, d) that are not finite, when checks are on and values can be read."""
    if not _enabled or not xp.readable(x):
        return
    broken = [row for row, total in enumerate(xp.sum(0 * xp.asfloat(x), axis=1)) if float(total) != 0]
    if broken:
        rows = ", ".join(map(str, broken[:10])) + (", ..." if len(broken) > 10 else "")
        raise ValueError(
            f"{name} is NaN or infinite in {len(broken)} row(s): {rows}; expected finite values."
        )
