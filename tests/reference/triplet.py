"""Loops of the triplet losses."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def log1pexp(x):
    return np.log1p(np.exp(-abs(x))) + max(x, 0)


def chosen_triplets(d, labels, mining, margin):
    """Index triplets that a mining takes, by its definition."""
    chosen = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if not positives or not negatives:
            continue
        nearest = min(negatives, key=lambda n: d[a, n])
        farthest = max(negatives, key=lambda n: d[a, n])
        if mining == "hard":
            chosen.append((a, max(positives, key=lambda p: d[a, p]), nearest))
        elif mining.startswith("easy_positive"):
            p = min(positives, key=lambda p: d[a, p])
            beyond = [n for n in negatives if d[a, n] > d[a, p]]
            semihard = min(beyond, key=lambda n: d[a, n]) if beyond else nearest
            chosen.append((a, p, semihard if mining.endswith("semihard") else nearest))
        elif mining == "semihard":
            for p in positives:
                beyond = [n for n in negatives if d[a, n] > d[a, p]]
                chosen.append((a, p, min(beyond, key=lambda n: d[a, n]) if beyond else farthest))
        else:
            for p in positives:
                for n in negatives:
                    if mining == "all" or d[a, p] < d[a, n] < d[a, p] + margin:
                        chosen.append((a, p, n))
    return chosen


def triplet(x, labels, margin=0.2, mining="semihard", distance="euclidean", soft=False, swap=False):
    d = distances(x, x, distance)
    terms = []
    for a, p, n in chosen_triplets(d, labels, mining, margin):
        far = min(d[a, n], d[p, n]) if swap else d[a, n]
        terms.append(log1pexp(d[a, p] - far) if soft else max(0.0, margin + d[a, p] - far))
    return mean(terms)


def distance_weighted(x, labels, margin=0.2, mining=None, cutoff=0.5, largest=1.4, soft=False):
    """Wu et al. 2017: each positive pair with its expected loss over negatives drawn by inverse density."""
    d = distances(x, x)
    size = x.shape[1]
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        near = [n for n in negatives if d[a, n] < largest]
        weight = []
        for n in near:
            c = max(d[a, n], cutoff)
            weight.append(1 / (c ** (size - 2) * (1 - c * c / 4) ** ((size - 3) / 2)))
        for p in positives if negatives else []:
            values = [max(0.0, margin + d[a, p] - d[a, n]) for n in near]
            terms.append(float(np.dot(weight, values) / np.sum(weight)) if near else 0.0)
    return mean(terms)


MININGS = ["all", "hard", "semihard", "semihard_within_margin", "easy_positive", "easy_positive_semihard"]

CASES = [
    *[Case("triplet_loss", triplet, {"mining": m, "margin": 0.7}) for m in MININGS],
    *[Case("triplet_loss", triplet, {"mining": m, "margin": 0.7, "soft": True}) for m in MININGS],
    *[
        Case("triplet_loss", triplet, {"mining": m, "margin": 0.7, "swap": True}, blocks=False)
        for m in MININGS
    ],
    *[
        Case("triplet_loss", triplet, {"mining": "all", "margin": 0.5, "distance": d})
        for d in ("squared_euclidean", "cosine", "manhattan", "chebyshev", "dot")
    ],
    Case(
        "triplet_loss",
        distance_weighted,
        {"mining": "distance_weighted", "margin": 0.7},
        normalised=True,
        slope=False,
    ),
]
