"""Loops of the online contrastive, ranked list and signal-to-noise losses."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def online_contrastive(x, labels, margin=0.5, distance="cosine"):
    d = distances(x, x, distance)
    sets = positives_and_negatives(labels)
    positive = [d[a, p] for a, (positives, _) in enumerate(sets) for p in positives]
    negative = [d[a, n] for a, (_, negatives) in enumerate(sets) for n in negatives]
    near = [v**2 for v in positive if v > min(negative)]
    far = [max(0.0, margin - v) ** 2 for v in negative if v < max(positive)]
    return mean(near) + mean(far)


def ranked_list(
    x,
    labels,
    alpha=1.2,
    margin=0.4,
    positive_temperature=0.0,
    negative_temperature=10.0,
    negative_weight=0.5,
    constant=None,
):
    """`constant` distances replace the current ones in the weights, as the gradient sees them."""
    d = distances(x, x)
    fixed = d if constant is None else constant
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            near = [p for p in positives if d[a, p] > alpha - margin]
            far = [n for n in negatives if d[a, n] < alpha]
            w_p = [np.exp(positive_temperature * (fixed[a, p] - alpha + margin)) for p in near]
            w_n = [np.exp(negative_temperature * (alpha - fixed[a, n])) for n in far]
            pull = sum(w * (d[a, p] - alpha + margin) for w, p in zip(w_p, near, strict=True))
            push = sum(w * (alpha - d[a, n]) for w, n in zip(w_n, far, strict=True))
            pull, push = pull / (sum(w_p) or 1), push / (sum(w_n) or 1)
            terms.append((1 - negative_weight) * pull + negative_weight * push)
    return mean(terms)


def signal_to_noise_contrastive(x, labels, positive_margin=0.01, negative_margin=0.2):
    near, far = [], []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        d = [np.var(x[a] - y) / np.var(x[a]) for y in x]
        near += [max(0.0, d[p] - positive_margin) for p in positives]
        far += [max(0.0, negative_margin - d[n]) for n in negatives]
    return mean(near) + mean(far)


RANKED = {"alpha": 3.0, "positive_temperature": 2.0, "negative_temperature": 1.0, "negative_weight": 0.3}

CASES = [
    Case("online_contrastive_loss", online_contrastive),
    Case("online_contrastive_loss", online_contrastive, {"distance": "euclidean", "margin": 2.0}),
    # its weights are constant to the gradient: test_pair_losses.py
    Case("ranked_list_loss", ranked_list, slope=False),
    Case("ranked_list_loss", ranked_list, RANKED, slope=False),
    Case("ranked_list_loss", ranked_list, {"alpha": 3.0, "negative_temperature": 0.0}),
    Case("signal_to_noise_contrastive_loss", signal_to_noise_contrastive, {"negative_margin": 2.0}),
    Case("signal_to_noise_contrastive_loss", signal_to_noise_contrastive, {"positive_margin": 0.5}),
]
