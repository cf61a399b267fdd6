"""Loops of the softmax losses over the batch."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def supcon(x, labels, temperature=0.1):
    s = (1 - distances(x, x, "cosine")) / temperature
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives:
            whole = np.log(np.exp(s[a, positives + negatives]).sum())
            terms.append(np.mean([whole - s[a, p] for p in positives]))
    return mean(terms)


def nt_xent(x, labels, temperature=0.1, distance="cosine"):
    s = -distances(x, x, distance) / temperature
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        for p in positives if negatives else []:
            terms.append(
                -np.log(np.exp(s[a, p]) / (np.exp(s[a, p]) + sum(np.exp(s[a, n]) for n in negatives)))
            )
    return mean(terms)


def nca(x, labels, temperature=1.0, distance="squared_euclidean"):
    d = distances(x, x, distance) / temperature
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            chance = sum(np.exp(-d[a, p]) for p in positives)
            terms.append(-np.log(chance / (chance + sum(np.exp(-d[a, n]) for n in negatives))))
    return mean(terms)


def siglip(x, labels, scale=10.0, bias=-10.0):
    s = 1 - distances(x, x, "cosine")
    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                z = 1 if labels[i] == labels[j] else -1
                total += -np.log(1 / (1 + np.exp(-z * (scale * s[i, j] + bias))))
    return total / len(x)


CASES = [
    Case("supcon_loss", supcon),
    Case("supcon_loss", supcon, {"temperature": 0.5}),
    Case("nt_xent_loss", nt_xent),
    Case("nt_xent_loss", nt_xent, {"temperature": 0.5}),
    Case("nt_xent_loss", nt_xent, {"temperature": 2.0, "distance": "squared_euclidean"}),
    Case("nca_loss", nca),
    Case("nca_loss", nca, {"temperature": 0.2, "distance": "cosine"}),
    Case("siglip_loss", siglip, {"scale": 5.0, "bias": -1.0}, invalid_is_zero=False),
    Case(
        "siglip_loss",
        siglip,
        parameters={"scale": lambda g, c, d: np.array(4.0), "bias": lambda g, c, d: np.array([-2.0])},
        invalid_is_zero=False,
    ),
]
