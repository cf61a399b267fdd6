"""Recipe 1 under Keras 3: the contrastive loss of pairs on a hidden layer, added to a classification loss.

KERAS_BACKEND=jax python examples/contrastive_keras.py --epochs 4    (or tensorflow, or torch)
"""

import argparse

import keras
import numpy as np
from sklearn.datasets import load_digits

import nearfar.keras


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--weight", type=float, default=0.5, help="of the contrastive term")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    images, train, test = (images / 16).astype("float32"), slice(0, 1200), slice(1200, None)

    inputs = keras.Input((64,))
    hidden = keras.layers.Dense(16, name="hidden")(keras.layers.Dense(64, activation="relu")(inputs))
    model = keras.Model(inputs, {"hidden": hidden, "top": keras.layers.Dense(10, name="top")(hidden)})
    model.compile(
        keras.optimizers.Adam(3e-3),
        loss={
            "hidden": nearfar.keras.PairContrastiveLoss(margin=2.0),
            "top": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        },
        loss_weights={"hidden": options.weight, "top": 1.0},
    )
    left, right, same = nearfar.samplers.sample_pairs(labels[train], 6000)
    rows = np.stack([left, right], axis=1).reshape(-1)  # a pair is two rows, one after the other
    targets = {"hidden": np.repeat(same, 2), "top": labels[rows]}
    model.fit(images[rows], targets, batch_size=200, shuffle=False, epochs=options.epochs, verbose=2)

    found = model.predict(images[test], verbose=0)
    accuracy = np.mean(np.argmax(found["top"], axis=1) == labels[test])
    precision = nearfar.evaluation.retrieval(found["hidden"], labels[test]).precision_at_1
    print(f"classification accuracy {accuracy:.3f}, precision@1 of the hidden layer {precision:.3f}")


if __name__ == "__main__":
    main()
