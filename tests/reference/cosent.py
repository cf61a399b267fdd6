"""Loop of the CoSENT loss."""

import numpy as np

from . import Case, distances, positives_and_negatives


def cosent(x, labels, scale=20.0, distance="cosine"):
    d = distances(x, x, distance)
    sets = positives_and_negatives(labels)
    near = [d[a, p] for a, (positives, _) in enumerate(sets) for p in positives]
    far = [d[a, n] for a, (_, negatives) in enumerate(sets) for n in negatives]
    return float(np.log(1 + sum(np.exp(scale * (p - n)) for p in near for n in far)))


CASES = [
    Case("cosent_loss", cosent, {"scale": 5.0}, blocks=False),
    Case("cosent_loss", cosent, {"distance": "euclidean", "scale": 2.0}, blocks=False),
]
