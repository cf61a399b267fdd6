"""How good is it: trained, untrained and raw input side by side, on what was held out."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data import DataSet, Samples
from ..evaluation import clustering, retrieval, verification
from ..samplers import sample_pairs

__all__ = ["chosen_rows", "measure", "raw_inputs", "table"]

_RAW_SIDE = 32
_PAIRS = 500_000


def measure(embeddings: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """Retrieval, verification and clustering of `(n, d)` embeddings, as plain numbers.

    Verification takes at most half a million pairs, drawn by the seed: all of the same class as far as half of
    that, the rest of different ones.
    """
    same = sum(int(count) * (int(count) - 1) // 2 for count in np.bincount(labels))
    different = len(labels) * (len(labels) - 1) // 2 - same
    pairs = None
    if same + different > _PAIRS:
        same = min(same, max(_PAIRS // 2, _PAIRS - different))
        pairs = sample_pairs(labels, _PAIRS, positive_fraction=same / _PAIRS, seed=seed)
    return {
        "retrieval": retrieval(embeddings, labels).to_dict(),
        "verification": verification(embeddings, labels, pairs=pairs, seed=seed).to_dict(),
        "clustering": clustering(embeddings, labels, seed=seed).to_dict(),
    }


def chosen_rows(labels: np.ndarray, limit: int, *, seed: int = 0) -> np.ndarray:
    """At most `limit` positions, in order: all, or whole turns through the classes so that each keeps its
    neighbours.

    Args:
        labels: `(n,)` codes.
        limit: how many at most.
        seed: of the choice.
    """
    if len(labels) <= limit:
        return np.arange(len(labels))
    rng = np.random.default_rng([seed, 11])
    counts = np.bincount(labels)
    present = rng.permutation(np.flatnonzero(counts))[: max(1, limit // 4)]  # four of a class or more
    order = np.lexsort((rng.random(len(labels)), labels))
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - (np.cumsum(counts) - counts)[labels[order]]
    candidates = np.flatnonzero(np.isin(labels, present))
    turns = np.lexsort((rng.random(len(candidates)), rank[candidates]))
    return np.sort(candidates[turns[:limit]])


def raw_inputs(data: DataSet, rows: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """What the network is measured against: the inputs themselves as embeddings.

    Images are shrunk to at most 32 pixels by means, centred on the mean training image (of up to 2,000) and
    scaled to length 1, so that Euclidean distance ranks them as the cosine does. Tables are standardised as
    they are read.

    Args:
        data: where they come from.
        rows: `(k,)` positions in the test part.
        seed: of the choice of training images.

    Returns:
        `(k, features)` float32.
    """
    test = _flat(data.test, rows)
    if data.kind != "image":
        return test
    test -= _flat(data.train, chosen_rows(data.train.labels, 2000, seed=seed)).mean(axis=0)
    return test / np.maximum(np.linalg.norm(test, axis=1, keepdims=True), 1e-12)


def _flat(samples: Samples, rows: np.ndarray) -> np.ndarray:
    blocks = []
    for start in range(0, len(rows), 1024):
        block = samples.read(rows[start : start + 1024])
        if block.ndim == 4 and (step := -(-max(block.shape[1:3]) // _RAW_SIDE)) > 1:
            height, width = block.shape[1] // step * step, block.shape[2] // step * step
            block = block[:, :height, :width]
            block = block.reshape(len(block), height // step, step, width // step, step, -1).mean(axis=(2, 4))
        blocks.append(block.reshape(len(block), -1))
    return np.concatenate(blocks) if blocks else np.zeros((0, int(np.prod(samples.shape))), np.float32)


_COLUMNS = {
    "precision@1": ("retrieval", "precision_at_1"),
    "recall@5": ("retrieval", "recall_at", 5),
    "recall@10": ("retrieval", "recall_at", 10),
    "R-precision": ("retrieval", "r_precision"),
    "MAP@R": ("retrieval", "map_at_r"),
    "MRR": ("retrieval", "mrr"),
    "ROC AUC": ("verification", "auc"),
    "EER": ("verification", "eer"),
    "TAR@FAR 1%": ("verification", "tar_at_far", 0.01),
    "bal. accuracy": ("verification", "balanced_accuracy"),
    "NMI": ("clustering", "nmi"),
    "AMI": ("clustering", "ami"),
}


def table(report: Mapping[str, Any]) -> str:
    """The report as aligned text, a line a measure, a column each for trained, untrained and raw."""
    names = [name for name in ("trained", "untrained", "raw") if name in report]
    lines = [" " * 13 + "".join(f"{name:>11}" for name in names)]
    for title, path in _COLUMNS.items():
        values = []
        for name in names:
            value: Any = report[name]
            for key in path:
                value = value[key] if key in value else value[str(key)]
            values.append(f"{value:11.3f}")
        lines.append(f"{title:<13}" + "".join(values))
    return "\n".join(lines)
