"""Distances by matrix products: their error is bounded, and neighbours are those of exact distances."""

import numpy as np
import pytest
from evaluation_loops import plain_distances, rows_of

from nearfar.evaluation import neighbors
from nearfar.evaluation.space import Space


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["normal", "far from the origin", "many scales", "zeros"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine", "dot"])
def test_error_of_products_is_bounded(distance, kind, dtype, random):
    rows, queries = rows_of(kind, 200, 24, random), rows_of(kind, 30, 24, random)
    space = Space(rows, distance, dtype)
    values, error = space.block(queries)
    exact = plain_distances(queries, rows, distance)
    exact = exact**2 if distance == "euclidean" else exact
    # values are the distances of a row but for a shift and a power of two
    for value, truth, bound in zip(values.astype(float), exact, error, strict=True):
        scale = 1.0 if distance == "cosine" else space._scale**2
        shift = np.median(value - truth * scale)
        assert np.abs(value - truth * scale - shift).max() <= 2 * bound + 1e-300


def test_neighbors_of_huge_and_tiny_queries(random):
    rows = random.normal(size=(50, 3)).astype(np.float32)
    queries = np.array([[1e30, 0, 0], [0, -1e25, 0], [1e-30, 0, 0]], dtype=np.float32)
    # at 1e30 all rows are equally far in float64: the order is that of position
    for distance in ("euclidean", "dot", "cosine"):
        expected = plain_distances(queries, rows, distance).argsort(axis=1, kind="stable")[:, :4]
        found = neighbors.nearest(Space(rows, distance, np.float32), queries, 4)[1]
        assert found.tolist() == expected.tolist()
