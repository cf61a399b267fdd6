"""Every primitive means the same in every framework."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nearfar.backends import backend_of, contract

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(4, 6))
MASK = RANDOM.random((4, 6)) < 0.5
MASK[1] = False
SORTED = np.sort(np.round(X * 2), axis=1)
VALUES = np.round(RANDOM.normal(size=(4, 3)) * 2)
COLUMNS = np.array([[0, 5, 5], [1, 1, 1], [2, 0, 3], [4, 5, 4]])

PRIMITIVES = {
    "exp": (lambda xp, x: xp.exp(x), np.exp(X)),
    "abs": (lambda xp, x: xp.abs(x), np.abs(X)),
    "sign": (lambda xp, x: xp.sign(x), np.sign(X)),
    "sqrt": (lambda xp, x: xp.sqrt(x), np.sqrt(np.maximum(X, 0))),
    "relu": (lambda xp, x: xp.relu(x), np.maximum(X, 0)),
    "softplus": (lambda xp, x: xp.softplus(30 * x), np.logaddexp(30 * X, 0)),
    "sigmoid": (lambda xp, x: xp.sigmoid(x), 1 / (1 + np.exp(-X))),
    "cos": (lambda xp, x: xp.cos(x), np.cos(X)),
    "where, number first": (lambda xp, x: xp.where(x > 0, 0.5, x), np.where(X > 0, 0.5, X)),
    "where, number second": (lambda xp, x: xp.where(x > 0, x, 0.5), np.where(X > 0, X, 0.5)),
    "threshold": (lambda xp, x: xp.threshold(x, -3.0), np.where(X > 0, X, -3.0)),
    "repeat": (lambda xp, x: xp.repeat(x, 3), X[[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]]),
    "minimum": (lambda xp, x: xp.minimum(x, -x), np.minimum(X, -X)),
    "mean": (lambda xp, x: xp.mean(x, axis=0), X.mean(axis=0)),
    "sort": (lambda xp, x: xp.sort(x), np.sort(X, axis=1)),
    "argsort": (lambda xp, x: xp.argsort(xp.sign(x)), np.argsort(np.sign(X), axis=1, kind="stable")),
    "argmin": (lambda xp, x: xp.argmin(xp.sign(x)), np.argmin(np.sign(X), axis=1)),
    "smallest": (lambda xp, x: xp.smallest(x, 2)[0], np.sort(X, axis=1)[:, :2]),
    "smallest columns": (lambda xp, x: xp.smallest(x, 2)[1], np.argsort(X, axis=1)[:, :2]),
    "cumulative_sum": (lambda xp, x: xp.cumulative_sum(x), np.cumsum(X, axis=1)),
    "concat": (lambda xp, x: xp.concat([x, x], axis=1), np.concatenate([X, X], axis=1)),
    "reshape": (lambda xp, x: xp.reshape(x, (-1, 3)), X.reshape(-1, 3)),
    "matrix_transpose": (lambda xp, x: xp.matrix_transpose(x), X.T),
    "full_like": (lambda xp, x: xp.full_like(x, 2.5), np.full_like(X, 2.5)),
    "arange": (lambda xp, x: xp.arange(3, x), np.arange(3)),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitive(framework, name):
    function, expected = PRIMITIVES[name]
    np.testing.assert_allclose(
        framework(lambda x: function(backend_of(x), x), X), expected, rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("axis", [None, 1])
def test_reductions_leave_out_what_is_masked(framework, axis):
    def reduce(name):
        return framework(lambda x, m: getattr(backend_of(x), name)(x, axis=axis, where=m), X, MASK)

    np.testing.assert_allclose(reduce("sum"), np.where(MASK, X, 0).sum(axis=axis), rtol=1e-12)
    np.testing.assert_array_equal(reduce("max"), np.where(MASK, X, -np.inf).max(axis=axis))
    np.testing.assert_array_equal(reduce("min"), np.where(MASK, X, np.inf).min(axis=axis))
    with np.errstate(divide="ignore"):
        expected = np.log(np.where(MASK, np.exp(X), 0).sum(axis=axis))
    np.testing.assert_allclose(reduce("logsumexp"), expected, rtol=1e-12)
    assert framework(lambda x, m: backend_of(x).count(m, x), X, MASK).tolist() == MASK.sum(axis=1).tolist()
    assert framework(lambda x, m: backend_of(x).any(m, axis=1), X, MASK).tolist() == MASK.any(axis=1).tolist()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("compile_it", [False, True])
def test_searchsorted_counts_row_by_row(framework, side, compile_it):
    expected = [
        [(row < v).sum() if side == "left" else (row <= v).sum() for v in vs]
        for row, vs in zip(SORTED, VALUES, strict=True)
    ]
    runner = type(framework)(framework.name, compiled=compile_it and framework.name != "numpy")
    found = runner(
        lambda rows, values: backend_of(rows).searchsorted(rows, values, side=side), SORTED, VALUES
    )
    assert found.tolist() == np.array(expected).tolist()


def test_rows_are_indexed_at_their_own_columns(framework):
    columns = COLUMNS.astype(np.int64)
    np.testing.assert_array_equal(
        framework(lambda x, i: backend_of(x).take_along_rows(x, i), X, columns),
        np.take_along_axis(X, COLUMNS, axis=1),
    )
    np.testing.assert_array_equal(
        framework(lambda x, i: backend_of(x).take(x, i), X, columns[:, 0] % 4), X[COLUMNS[:, 0] % 4]
    )
    added = np.zeros_like(X)
    for row in range(4):
        for column, value in zip(COLUMNS[row], VALUES[row], strict=True):
            added[row, column] += value
    found = framework(lambda x, i, v: backend_of(x).add_along_rows(0 * x, i, v), X, columns, VALUES)
    np.testing.assert_allclose(found, added)
    cleared = MASK.copy()
    cleared[np.arange(4), COLUMNS[:, 0]] = False
    found = framework(lambda m, i: backend_of(m).clear_along_rows(m, i), MASK, columns[:, 0])
    assert found.tolist() == cleared.tolist()


@pytest.mark.parametrize(
    ("name", "at", "slope"),
    [
        ("sqrt", 0.0, 0.0),
        ("sqrt", 4.0, 0.25),
        ("relu", 0.0, 0.0),
        ("abs", 0.0, 0.0),
        ("softplus", 1000.0, 1.0),
    ],
)
def test_slopes_where_frameworks_differ(differentiable, name, at, slope):
    def total(x):
        xp = backend_of(x)
        return xp.sum(getattr(xp, name)(x))

    _, (gradient,) = differentiable.value_and_gradients(total, np.array([at]))
    np.testing.assert_allclose(gradient, [slope])


def test_a_row_of_nothing_has_no_slope(differentiable):
    def total(x, mask):
        xp = backend_of(x)
        out = xp.logsumexp(x, axis=1, where=mask)
        return xp.sum(xp.where(out > -float("inf"), out, 0.0))

    _, (gradient,) = differentiable.value_and_gradients(total, X, MASK)
    weight = np.where(MASK, np.exp(X), 0)
    total_weight = weight.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, weight / np.where(total_weight > 0, total_weight, 1), rtol=1e-12)


def test_every_backend_has_every_primitive():
    names = [n for n, f in vars(contract.Backend).items() if inspect.isfunction(f) and not n.startswith("_")]
    for path in Path(contract.__file__).parent.glob("_[a-z]*.py"):
        tree = ast.parse(path.read_text())
        defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                defined |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.Assign):
                defined |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        assert set(names) - defined == set(), path.name


def test_importing_nearfar_imports_no_framework():
    code = (
        "import sys, nearfar, nearfar.losses, nearfar.samplers, nearfar.pairs;"
        "print([m for m in ('torch', 'tensorflow', 'jax', 'keras', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
