"""Loops of the N-pairs, tuplet margin and angular losses."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def n_pairs(x, labels, distance="dot"):
    d = distances(x, x, distance)
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        for p in positives if negatives else []:
            terms.append(np.log(1 + sum(np.exp(d[a, p] - d[a, n]) for n in negatives)))
    return mean(terms)


def tuplet_margin(x, labels, margin=0.1, scale=64.0):
    cosine = 1 - distances(x, x, "cosine")
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        for p in positives if negatives else []:
            eased = np.cos(np.arccos(cosine[a, p]) - margin)
            terms.append(np.log(1 + sum(np.exp(scale * (cosine[a, n] - eased)) for n in negatives)))
    return mean(terms)


def angular(x, labels, alpha=45.0):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    t = np.tan(np.radians(alpha)) ** 2
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        for p in positives if negatives else []:
            f = [4 * t * (x[a] + x[p]) @ x[n] - 2 * (1 + t) * x[a] @ x[p] for n in negatives]
            terms.append(np.log(1 + np.exp(f).sum()))
    return mean(terms)


CASES = [
    Case("n_pairs_loss", n_pairs),
    Case("n_pairs_loss", n_pairs, {"distance": "euclidean"}),
    Case("tuplet_margin_loss", tuplet_margin, {"scale": 8.0}),
    Case("tuplet_margin_loss", tuplet_margin),
    Case("angular_loss", angular, blocks=False),
    Case("angular_loss", angular, {"alpha": 30.0}, blocks=False),
]
