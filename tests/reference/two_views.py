"""Loops of the losses that take two tables of rows: queries and documents, two views."""

import numpy as np

from . import distances, mean


def multiple_negatives_ranking(queries, documents, scale=20.0, symmetric=False, distance="cosine"):
    s = -scale * distances(queries, documents, distance)
    n = len(queries)
    terms = [-np.log(np.exp(s[i, i]) / sum(np.exp(s[i, j]) for j in range(len(documents)))) for i in range(n)]
    if not symmetric:
        return mean(terms)
    back = [-np.log(np.exp(s[i, i]) / sum(np.exp(s[j, i]) for j in range(n))) for i in range(n)]
    return (mean(terms) + mean(back)) / 2


def vicreg(views, other_views, invariance=25.0, variance=25.0, covariance=1.0, eps=1e-4):
    n, d = views.shape
    total = invariance * sum(((a - b) ** 2).sum() for a, b in zip(views, other_views, strict=True)) / (n * d)
    for z in (views, other_views):
        cov = np.zeros((d, d))
        for i in range(d):
            for j in range(d):
                cov[i, j] = sum((z[b, i] - z[:, i].mean()) * (z[b, j] - z[:, j].mean()) for b in range(n))
        cov /= n - 1
        total += variance * mean([max(0.0, 1 - np.sqrt(cov[j, j] + eps)) for j in range(d)])
        total += covariance * sum(cov[i, j] ** 2 for i in range(d) for j in range(d) if i != j) / d
    return total


def barlow_twins(views, other_views, redundancy=0.005):
    d = views.shape[1]
    a, b = views - views.mean(axis=0), other_views - other_views.mean(axis=0)
    total = 0.0
    for i in range(d):
        for j in range(d):
            c = (a[:, i] * b[:, j]).sum() / (np.sqrt((a[:, i] ** 2).sum()) * np.sqrt((b[:, j] ** 2).sum()))
            total += (1 - c) ** 2 if i == j else redundancy * c**2
    return total


CASES = []  # test_two_views.py has its own: these take no labels
