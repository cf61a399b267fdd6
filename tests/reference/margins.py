"""Loops of the margin and threshold-consistent margin losses."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def margin(x, labels, boundaries=None, beta=1.2, margin=0.2, nu=0.0, mining=None, distance="euclidean"):
    """`boundaries`: one beta, or one per class, given as a tensor."""
    d = distances(x, x, distance)
    beta = beta if boundaries is None else boundaries
    near, far, own = [], [], []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        b = beta[labels[a]] if np.ndim(beta) else beta
        push = [max(0.0, b + margin - d[a, n]) for n in negatives]
        near += [max(0.0, d[a, p] - b + margin) for p in positives]
        if positives and negatives:
            own.append(b)
        if mining is None:
            far += push
        elif negatives:
            far += [drawn(d[a, negatives], push, x.shape[1])] * len(positives)
    return mean(near) + mean(far) + nu * mean(own)


def drawn(d, values, size, cutoff=0.5, largest=1.4):
    """Expected value under distance-weighted sampling, Wu et al. 2017."""
    c = np.maximum(d, cutoff)
    q = c ** (size - 2.0) * np.abs(1 - c**2 / 4) ** ((size - 3) / 2)
    weight = np.where(d < largest, 1 / q, 0)
    return float(weight @ np.array(values) / weight.sum())


def threshold_consistent(
    x, labels, positive_margin=0.9, negative_margin=0.5, positive_weight=1.0, negative_weight=1.0
):
    s = 1 - distances(x, x, "cosine")
    near, far = [], []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        near += [positive_margin - s[a, p] for p in positives if s[a, p] <= positive_margin]
        far += [s[a, n] - negative_margin for n in negatives if s[a, n] >= negative_margin]
    return positive_weight * mean(near) + negative_weight * mean(far)


def scalar(generator, classes, size):
    return np.asarray(generator.uniform(0.9, 1.5))


def per_class(generator, classes, size):
    return generator.uniform(0.9, 1.5, classes)


def learned(x, labels, beta, **options):
    return margin(x, labels, beta, **options)


WEIGHTS = {"positive_weight": 0.5, "negative_weight": 2.0, "negative_margin": 0.1}

CASES = [
    Case("margin_loss", margin, invalid_is_zero=False),
    Case("margin_loss", learned, {"nu": 0.3}, {"beta": per_class}),
    Case("margin_loss", learned, {"margin": 0.5, "distance": "cosine"}, {"beta": scalar}),
    Case("margin_loss", margin, {"mining": "distance_weighted"}, normalised=True, slope=False),
    Case("threshold_consistent_margin_loss", threshold_consistent, invalid_is_zero=False),
    Case("threshold_consistent_margin_loss", threshold_consistent, WEIGHTS),
]
