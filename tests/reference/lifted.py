"""Loops of the two lifted structure losses."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def lifted_structure(x, labels, margin=1.0, distance="euclidean"):
    """Oh Song et al. 2016, each unordered positive pair once."""
    d = distances(x, x, distance)
    negatives = [n for _, n in positives_and_negatives(labels)]
    terms = []
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            if labels[i] == labels[j] and negatives[i]:
                whole = sum(np.exp(margin - d[i, k]) for k in negatives[i])
                whole += sum(np.exp(margin - d[j, k]) for k in negatives[j])
                terms.append(max(0.0, np.log(whole) + d[i, j]) ** 2 / 2)
    return mean(terms)


def generalized_lifted_structure(x, labels, margin=1.0, distance="euclidean"):
    d = distances(x, x, distance)
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            far = np.log(sum(np.exp(d[a, p]) for p in positives))
            terms.append(max(0.0, far + np.log(sum(np.exp(margin - d[a, n]) for n in negatives))))
    return mean(terms)


CASES = [
    Case("lifted_structure_loss", lifted_structure),
    Case("lifted_structure_loss", lifted_structure, {"margin": 0.2, "distance": "cosine"}),
    Case("generalized_lifted_structure_loss", generalized_lifted_structure),
    Case("generalized_lifted_structure_loss", generalized_lifted_structure, {"margin": -1.0}),
]
