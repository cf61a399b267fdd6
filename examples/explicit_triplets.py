"""Recipe 2: triplet loss of a batch laid out anchor, positive, negative, anchor, ... in every framework installed.

python examples/explicit_triplets.py
"""

import importlib

import numpy as np

from nearfar.losses import triplet_margin_loss


def loss(rows):
    """Squared distances, margin 0.5; the rows of any framework."""
    return triplet_margin_loss(rows[0::3], rows[1::3], rows[2::3], margin=0.5, distance="squared_euclidean")


def main() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    expected = loss(rows)
    print(f"numpy       {expected:.6f}")
    tensors = {"torch": "as_tensor", "tensorflow": "constant", "jax.numpy": "asarray"}
    for name, make in tensors.items():
        try:
            framework = importlib.import_module(name)
        except ImportError:
            continue
        value = float(loss(getattr(framework, make)(rows)))
        print(f"{name:11} {value:.6f}")
        assert abs(value - expected) < 1e-5 * expected


if __name__ == "__main__":
    main()
