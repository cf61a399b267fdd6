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


CASES = [Case("supcon_loss", supcon), Case("supcon_loss", supcon, {"temperature": 0.5})]
