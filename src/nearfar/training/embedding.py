"""From samples to embeddings, in batches of one shape."""

from typing import Any

import numpy as np

from ..data import Samples

__all__ = ["embed"]

_BATCH = 256


def embed(network: Any, inputs: Samples | np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Embeddings of samples.

    Args:
        network: a Keras model.
        inputs: samples, read as needed, or an `(n, ...)` float array of what `Samples.read` gives.
        rows: `(k,)` which of them; all when left out.

    Returns:
        `(k, d)` float32; `(0, d)` for none.
    """
    from .devices import num_devices

    size = -(-_BATCH // num_devices()) * num_devices()
    rows = np.arange(len(inputs)) if rows is None else np.asarray(rows)
    out = np.empty((len(rows), network.output_shape[-1]), np.float32)
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        batch = inputs[chosen] if isinstance(inputs, np.ndarray) else inputs.read(chosen)
        # a last batch of another shape would compile the network a second time
        missing = size - len(batch)
        padded = (
            np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)]) if missing else batch
        )
        out[start : start + len(chosen)] = np.asarray(network.predict_on_batch(padded))[: len(chosen)]
    return out
