"""Loops of the contrastive losses."""

from . import Case, distances, mean, positives_and_negatives


def contrastive(x, labels, positive_margin=0.0, negative_margin=1.0, squared=True, distance="euclidean"):
    d = distances(x, x, distance)
    near, far = [], []
    power = 2 if squared else 1
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        near += [max(0.0, d[a, p] - positive_margin) ** power for p in positives]
        far += [max(0.0, negative_margin - d[a, n]) ** power for n in negatives]
    return mean(near) + mean(far)


CASES = [
    Case("contrastive_loss", contrastive, {"negative_margin": 2.0}),
    Case("contrastive_loss", contrastive, {"squared": False, "positive_margin": 0.3, "negative_margin": 2.5}),
    Case("contrastive_loss", contrastive, {"distance": "cosine"}),
]
