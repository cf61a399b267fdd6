"""What the row engine says of wrong input."""

import numpy as np
import pytest

from nearfar import debug, losses, pairs

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 5))
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4], np.int32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: losses.triplet_loss(X, LABELS[:5]),
            ValueError,
            r"labels has shape \(5,\) but embeddings has 12 rows",
        ),
        (
            lambda: losses.triplet_loss(X[0], LABELS),
            ValueError,
            r"embeddings has shape \(5,\); expected one row per",
        ),
        (
            lambda: losses.triplet_loss(X, LABELS * 1.0),
            TypeError,
            "labels is of type float64; expected integers",
        ),
        (
            lambda: losses.triplet_loss(LABELS[:, None], LABELS),
            TypeError,
            "embeddings is of type int32; expected fl",
        ),
        (
            lambda: losses.triplet_loss(X, LABELS, mining="hardest"),
            ValueError,
            "mining 'hardest' is not known; exp",
        ),
        (
            lambda: losses.triplet_loss(X, LABELS, reduction="avg"),
            ValueError,
            "reduction 'avg' is not known; expec",
        ),
        (
            lambda: losses.triplet_loss(X, LABELS, block=0),
            ValueError,
            "block is 0; expected a positive number of an",
        ),
        (
            lambda: losses.triplet_loss(X, LABELS, references=X),
            ValueError,
            "references came without reference_labe",
        ),
        (
            lambda: losses.triplet_loss(X, LABELS, references=X[:, :2], reference_labels=LABELS),
            ValueError,
            r"references has shape \(12, 2\) but embeddings \(12, 5\); expected rows of the same length",
        ),
        (
            lambda: losses.triplet_loss(X, pairs.from_labels(LABELS[:5])),
            ValueError,
            r"the mask positive has shape \(5, 5\); expected \(anchors, references\) \(12, 12\)",
        ),
        (
            lambda: losses.triplet_loss(X, pairs.Pairs(*(1.0 * m for m in pairs.from_labels(LABELS)))),
            TypeError,
            "the mask positive is of type float64; expected bool",
        ),
        (
            lambda: losses.triplet_loss(X, LABELS, mining=lambda d, p: None, swap=True),
            ValueError,
            "swap=True came with a mining function; expected a name",
        ),
    ],
)
def test_wrong_input_is_told(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_two_frameworks_are_told():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"torch.Tensor and numpy.ndarray; convert one, e.g. torch.as_tensor"):
        losses.triplet_loss(torch.tensor(X), LABELS)


def test_debug_checks_name_the_rows():
    x = X.copy()
    x[[2, 7], 1] = np.nan, np.inf
    debug.enable()
    try:
        with pytest.raises(
            ValueError, match=r"embeddings is NaN or infinite in 2 row\(s\): 2, 7; expected finite"
        ):
            losses.triplet_loss(x, LABELS)
    finally:
        debug.enable(False)
    assert np.isnan(losses.triplet_loss(x, LABELS))
