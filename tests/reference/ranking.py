"""Loops of the ranking losses."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


def fast_ap(x, labels, num_bins=10):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    z = distances(unit, unit) ** 2
    nodes, step = np.linspace(0, 4, num_bins + 1), 4 / num_bins
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            h = [sum(max(0.0, 1 - abs(z[a, p] - t) / step) for p in positives) for t in nodes]
            g = [sum(max(0.0, 1 - abs(z[a, n] - t) / step) for n in negatives) for t in nodes]
            ap = 0.0
            for i in range(num_bins + 1):
                whole = sum(h[: i + 1]) + sum(g[: i + 1])
                ap += h[i] * sum(h[: i + 1]) / whole if whole > 0 else 0.0
            terms.append(1 - ap / len(positives))
    return mean(terms)


def smooth_ap(x, labels, temperature=0.01):
    s = 1 - distances(x, x, "cosine")
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            precisions = []
            for i in positives:
                near = 1 + sum(sigmoid((s[a, j] - s[a, i]) / temperature) for j in positives if j != i)
                far = sum(sigmoid((s[a, j] - s[a, i]) / temperature) for j in negatives)
                precisions.append(near / (near + far))
            terms.append(1 - np.mean(precisions))
    return mean(terms)


def pnp(x, labels, variant="Dq", alpha=4.0, b=2.0, temperature=0.01):
    s = 1 - distances(x, x, "cosine")
    penalty = {
        "O": lambda r: r,
        "Iu": lambda r: (1 + r) * np.log(1 + r),
        "Ib": lambda r: (b * r - np.log(1 + b * r)) / b**2,
        "Ds": lambda r: np.log(1 + r),
        "Dq": lambda r: 1 - 1 / (1 + r) ** alpha,
    }[variant]
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            ranks = [sum(sigmoid((s[a, n] - s[a, p]) / temperature) for n in negatives) for p in positives]
            terms.append(np.mean([penalty(r) for r in ranks]))
    return mean(terms)


def recall_at_k(x, labels, ks=(1, 2, 4, 8, 16), rank_temperature=1.0, temperature=0.01):
    s = 1 - distances(x, x, "cosine")
    terms = []
    for a, (positives, negatives) in enumerate(positives_and_negatives(labels)):
        if positives and negatives:
            ranks = []
            for i in positives:
                others = [j for j in positives + negatives if j != i]
                ranks.append(1 + sum(sigmoid((s[a, j] - s[a, i]) / temperature) for j in others))
            recalls = []
            for k in ks:
                found = sum(sigmoid((k - r) / rank_temperature) for r in ranks)
                recalls.append(min(k, found) / min(k, len(positives)))
            terms.append(1 - np.mean(recalls))
    return mean(terms)


CASES = [
    Case("fast_ap_loss", fast_ap),
    Case("fast_ap_loss", fast_ap, {"num_bins": 23}),
    Case("smooth_ap_loss", smooth_ap, {"temperature": 0.1}),
    Case("smooth_ap_loss", smooth_ap),
    *[Case("pnp_loss", pnp, {"variant": v, "temperature": 0.1}) for v in ("Dq", "O", "Iu", "Ib", "Ds")],
    Case("pnp_loss", pnp),
    Case("recall_at_k_surrogate_loss", recall_at_k, {"temperature": 0.1}),
    Case("recall_at_k_surrogate_loss", recall_at_k, {"ks": (1, 2), "rank_temperature": 0.2}),
]
