"""Has the embedding collapsed? With all rows equal the gradient is 0, so that nothing moves any more."""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["advice", "spread"]

_COLLAPSED = 0.02


def spread(embeddings: np.ndarray) -> float:
    """How far embeddings lie from their mean, as a share of their length: 0 all equal, 1 centred on the
    origin.

    Args:
        embeddings: `(n, d)`.

    Returns:
        Root mean square distance from the mean over root mean square length; 0 where all are 0 or there are
        none.
    """
    if not len(embeddings):
        return 0.0
    length = float(np.sqrt(np.mean(np.sum(np.square(embeddings, dtype=np.float64), axis=1))))
    centred = embeddings - embeddings.mean(axis=0, dtype=np.float64)
    return float(np.sqrt(np.mean(np.sum(np.square(centred), axis=1)))) / length if length > 0 else 0.0


def advice(
    embeddings: np.ndarray,
    loss: float,
    options: Mapping[str, Any],
    margin: float | None,
    learning_rate: float,
) -> str | None:
    """What to say of a collapse, in plain words; None where there is none.

    Args:
        embeddings: `(n, d)` of samples of several classes.
        loss: mean over the last epoch.
        options: of the loss.
        margin: of the loss, where it has one.
        learning_rate: of the run.
    """
    share = spread(embeddings)
    if share >= _COLLAPSED:
        return None
    words = (
        f"collapse: all embeddings are nearly the same point (they differ by {100 * share:.2g} % of their "
        f"length)"
    )
    if margin and abs(loss - margin) < 0.05 * margin:
        words += f", and the loss {loss:.4g} is stuck at its margin {margin:g}, where its gradient is 0"
    tries = [f"a lower --learning-rate (now {learning_rate:g})"]
    if options.get("mining") == "hard":
        tries.append("--loss-options mining=semihard (the hardest pairs pull all together at first)")
    if margin:
        tries.append("another margin")
    tries.append("--loss supcon, and larger batches")
    return f"{words}. More epochs will not help; try {'; '.join(tries)}."
