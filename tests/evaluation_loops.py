"""Plain loops that evaluation is checked against, and rows that are hard to rank."""

import math

import numpy as np
import pytest

KS = (1, 3, 100)


def plain_distances(queries, references, distance):
    """Float64 distances, one pair at a time."""

    def one(x, y):
        x, y = x.astype(float), y.astype(float)
        if distance == "cosine":
            lengths = math.sqrt((x * x).sum()), math.sqrt((y * y).sum())
            return 1.0 if 0 in lengths else 0.5 * ((x / lengths[0] - y / lengths[1]) ** 2).sum()
        return {
            "euclidean": lambda: math.sqrt(((x - y) ** 2).sum()),
            "squared_euclidean": lambda: ((x - y) ** 2).sum(),
            "manhattan": lambda: np.abs(x - y).sum(),
            "chebyshev": lambda: np.abs(x - y).max(),
            "dot": lambda: -(x * y).sum(),
        }[distance]()

    return np.array([[one(x, y) for y in references] for x in queries]).reshape(len(queries), len(references))


def plain_retrieval(distances, labels, reference_labels, itself, ks=KS):
    """Each query's measures as the papers define them; None where it has no positive."""
    out = []
    for i, row in enumerate(distances):
        others = [j for j in range(len(row)) if not (itself and j == i)]
        others.sort(key=lambda j: (row[j], j))
        relevant = [int(reference_labels[j] == labels[i]) for j in others]
        r = sum(relevant)
        if not r:
            out.append(None)
            continue
        found = {
            "precision_at_1": relevant[0],
            "r_precision": sum(relevant[:r]) / r,
            "map_at_r": sum(sum(relevant[: n + 1]) / (n + 1) for n in range(r) if relevant[n]) / r,
            "mrr": 1 / (relevant.index(1) + 1),
        }
        for k in ks:
            gain = sum(x / math.log2(n + 2) for n, x in enumerate(relevant[:k]))
            found[f"recall_at_{k}"] = float(any(relevant[:k]))
            found[f"ndcg_at_{k}"] = gain / sum(1 / math.log2(n + 2) for n in range(min(k, r)))
        out.append(found)
    return out


def assert_equals_loop(result, expected):
    counted = [values for values in expected if values is not None]
    assert result.queries == len(counted)
    assert result.queries_without_positive == len(expected) - len(counted)
    assert result.query_rows.tolist() == [i for i, values in enumerate(expected) if values is not None]
    for name in result.per_query:
        np.testing.assert_allclose(result.per_query[name], [v[name] for v in counted], rtol=1e-12)
    assert result.map_at_r == pytest.approx(np.mean([v["map_at_r"] for v in counted]), rel=1e-12)


def rows_of(kind, count, width, random):
    rows = random.normal(size=(count, width))
    if kind == "ties":
        rows = np.round(rows)
    elif kind == "duplicates":
        rows = rows[random.integers(0, max(1, count // 6), count)]
    elif kind == "equal":
        rows = np.full((count, width), 0.37)
    elif kind == "far from the origin":
        rows = 1000 + rows * 1e-3
    elif kind == "many scales":
        rows = rows * 10.0 ** random.integers(-8, 8, (count, 1))
    elif kind == "zeros":
        rows[::3] = 0
    return rows.astype(np.float32)
