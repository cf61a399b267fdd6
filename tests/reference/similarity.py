"""Loops of the multi-similarity and circle losses, and of the minings of pairs."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def mined(d, positives, negatives, a, mining, epsilon=0.1):
    """The anchor's positives and negatives that a mining keeps, by its definition."""
    if mining == "multi_similarity":
        if not positives or not negatives:
            return [], []
        farthest, nearest = max(d[a, positives]), min(d[a, negatives])
        return (
            [p for p in positives if d[a, p] > nearest - epsilon],
            [n for n in negatives if d[a, n] < farthest + epsilon],
        )
    if mining == "pair_margin":
        return [p for p in positives if d[a, p] > 0.2], [n for n in negatives if d[a, n] < 0.8]
    return positives, negatives


def multi_similarity(x, labels, alpha=2.0, beta=50.0, base=0.5, mining="multi_similarity", distance="cosine"):
    d = distances(x, x, distance)
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            near, far = mined(d, positives, negatives, a, mining)
            pull = np.log(1 + sum(np.exp(alpha * (d[a, p] - base)) for p in near)) / alpha
            push = np.log(1 + sum(np.exp(beta * (base - d[a, n])) for n in far)) / beta
            terms.append(pull + push)
    return mean(terms)


def circle(x, labels, margin=0.4, gamma=80.0, mining=None, paces=None):
    """`paces` (of another batch) replace the weights, as the gradient sees them."""
    d = distances(x, x, "cosine")
    s, fixed = 1 - d, (1 - d) if paces is None else paces
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        near, far = mined(d, positives, negatives, a, mining)
        if near and far:
            pull = sum(
                np.exp(-gamma * max(0, 1 + margin - fixed[a, p]) * (s[a, p] - 1 + margin)) for p in near
            )
            push = sum(np.exp(gamma * max(0, fixed[a, n] + margin) * (s[a, n] - margin)) for n in far)
            terms.append(np.log(1 + pull * push))
    return mean(terms)


CASES = [
    Case("multi_similarity_loss", multi_similarity),
    Case(
        "multi_similarity_loss", multi_similarity, {"mining": None, "alpha": 3.0, "beta": 10.0, "base": 0.8}
    ),
    Case("multi_similarity_loss", multi_similarity, {"mining": "pair_margin", "distance": "euclidean"}),
    Case("circle_loss", circle, slope=False),  # its weights are constant to the gradient: test_peers_pairs.py
    Case("circle_loss", circle, {"margin": 0.25, "gamma": 5.0, "mining": "pair_margin"}, slope=False),
]
