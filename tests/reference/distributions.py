"""Loops of the intra-pair variance, histogram and dynamic soft margin losses."""

import numpy as np

from . import Case, distances, mean, positives_and_negatives


def intra_pair_variance(x, labels, positive_epsilon=0.01, negative_epsilon=0.01):
    s = 1 - distances(x, x, "cosine")
    sets = positives_and_negatives(labels)
    near = [s[a, p] for a, (positives, _) in enumerate(sets) for p in positives]
    far = [s[a, n] for a, (_, negatives) in enumerate(sets) for n in negatives]
    pull = [max(0.0, (1 - positive_epsilon) * np.mean(near) - v) ** 2 for v in near]
    push = [max(0.0, v - (1 + negative_epsilon) * np.mean(far)) ** 2 for v in far]
    return mean(pull) + mean(push)


def histogram_of(values, nodes):
    """Each value shared by its two neighbouring nodes (triangular kernels)."""
    step = nodes[1] - nodes[0]
    h = np.array([sum(max(0.0, 1 - abs(v - t) / step) for v in values) for t in nodes])
    return h / len(values)


def histogram(x, labels, num_bins=100):
    """Ustinova & Lempitsky 2016; each unordered pair once."""
    s = 1 - distances(x, x, "cosine")
    pairs = [(i, j) for i in range(len(x)) for j in range(i + 1, len(x))]
    nodes = np.linspace(-1, 1, num_bins + 1)
    positive = histogram_of([s[i, j] for i, j in pairs if labels[i] == labels[j]], nodes)
    negative = histogram_of([s[i, j] for i, j in pairs if labels[i] != labels[j]], nodes)
    return float(sum(negative[r] * positive[: r + 1].sum() for r in range(num_bins + 1)))


def gaps(x, labels):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    d = distances(x, x)
    sets = positives_and_negatives(labels)
    nearest = [min(d[a, far]) if far else np.inf for a, (_, far) in enumerate(sets)]
    return [d[a, p] - min(nearest[a], nearest[p]) for a, (near, _) in enumerate(sets) for p in near]


def dynamic_soft_margin(x, labels, density=None, num_bins=511):
    """Zhang & Rusinkiewicz 2019, with the distribution of this batch, or a given one."""
    values = gaps(x, labels)
    num_bins = num_bins if density is None else len(density) - 1
    nodes = np.linspace(-2, 2, num_bins + 1)
    reached = np.cumsum(histogram_of(values, nodes) if density is None else density)
    return mean([reached[int((v + 2) / (4 / num_bins))] * v for v in values])


def earlier(generator, classes, size):
    share = generator.uniform(0.0, 1.0, 41)
    return share / share.sum()


CASES = [
    Case("intra_pair_variance_loss", intra_pair_variance, invalid_is_zero=False),
    Case("intra_pair_variance_loss", intra_pair_variance, {"positive_epsilon": 0.3, "negative_epsilon": 0.2}),
    Case("histogram_loss", histogram, blocks=False),
    Case("histogram_loss", histogram, {"num_bins": 7}, blocks=False),
    # the distribution is constant to the gradient: test_pair_losses.py
    Case("dynamic_soft_margin_loss", dynamic_soft_margin, blocks=False, slope=False),
    Case("dynamic_soft_margin_loss", dynamic_soft_margin, {"num_bins": 20}, blocks=False, slope=False),
    Case(
        "dynamic_soft_margin_loss", dynamic_soft_margin, {}, {"density": earlier}, blocks=False, slope=False
    ),
]
