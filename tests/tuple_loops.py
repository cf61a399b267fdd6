"""Explicit pairs and triplets, and the papers' loops over them."""

import numpy as np

SIZE = (9, 5)


def triplets(seed=0, dtype=np.float64, size=SIZE):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=size).astype(dtype) for _ in range(3)]


def norm(x, y, p=2.0, eps=1e-6):
    """torch's PairwiseDistance by its definition: the p-norm of x - y + eps."""
    return np.array(
        [
            sum(abs(a - b + eps) ** p for a, b in zip(*rows, strict=True)) ** (1 / p)
            for rows in zip(x, y, strict=True)
        ]
    )


def reduced(values, reduction):
    active = values[values > 0]
    return {
        "mean": values.mean(),
        "sum": values.sum(),
        "none": values,
        "active_mean": active.mean() if len(active) else 0.0,
    }[reduction]


def pair_loop(x, y, same, margin=1.0, hinge="squared", near=None, far=None):
    """0.5 (y d^2 + (1 - y) h) one pair at a time."""
    euclidean = lambda a, b: sum((a - b) ** 2) ** 0.5
    values = []
    for a, b, positive in zip(x, y, same, strict=True):
        if positive:
            values.append(0.5 * (near or euclidean)(a, b) ** 2)
            continue
        d = (far or euclidean)(a, b)
        values.append(0.5 * (max(0, margin - d) ** 2 if hinge == "squared" else max(0, margin - d**2)))
    return np.array(values)
