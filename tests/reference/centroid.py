"""Loop of the centroid triplet loss."""

import numpy as np

from . import Case, mean, positives_and_negatives


def centroid_triplet(x, labels, margin=0.2, mining="all"):
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            near = ((x[a] - np.mean(x[positives], axis=0)) ** 2).sum()
            centres = [np.mean(x[labels == c], axis=0) for c in np.unique(labels[negatives])]
            values = [max(0.0, margin + near - ((x[a] - c) ** 2).sum()) for c in centres]
            terms += [max(values)] if mining == "hard" else values
    return mean(terms)


CASES = [
    Case("centroid_triplet_loss", centroid_triplet, {"margin": 1.0}, blocks=False),
    Case("centroid_triplet_loss", centroid_triplet, {"margin": 3.0, "mining": "hard"}, blocks=False),
]
