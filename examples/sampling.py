"""Recipe 5: triplets drawn from labels, then mined over the whole data set; verified as FaceNet does (Keras 3).

KERAS_BACKEND=torch python examples/sampling.py --rounds 4    (or jax, or tensorflow)
"""

import argparse

import keras
import numpy as np
from sklearn.datasets import load_digits

import nearfar.keras
from nearfar import samplers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=4, help="each embeds all data, mines, and trains on what it found"
    )
    rounds = parser.parse_args().rounds
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    images, train, test = (images / 16).astype("float32"), slice(0, 1200), slice(1200, None)
    layers = [keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(16)]
    model = keras.Sequential(layers)

    explicit = nearfar.keras.TripletMarginLoss(margin=0.5, distance="squared_euclidean")
    model.compile(keras.optimizers.Adam(3e-3), loss=explicit)
    for number in range(rounds):
        if number == 0:  # nothing is known yet: random triplets
            triplets = samplers.sample_triplets(labels[train], 3000)
        else:
            embeddings = model.predict(images[train], verbose=0)
            triplets = samplers.mine_triplets(embeddings, labels[train], mining="semihard", seed=number)
        rows = np.random.default_rng(number).permutation(np.stack(triplets, axis=1))
        rows = rows.reshape(
            -1
        )  # anchor, positive, negative, anchor, ...: a batch of 300 rows has 100 triplets
        model.fit(images[rows], labels[rows], batch_size=300, shuffle=False, verbose=0)

    online = nearfar.keras.TripletLoss(margin=0.5, mining="hard")  # and in the batch, with balanced batches
    model.compile(keras.optimizers.Adam(3e-3), loss=online)
    model.fit(nearfar.keras.BalancedBatches(images[train], labels[train], 10, 8), verbose=0)

    pairs = samplers.sample_pairs(labels[test], 2000)
    found = nearfar.evaluation.verification(model.predict(images[test], verbose=0), pairs=pairs, folds=10)
    print(
        f"ten folds: accuracy {found.accuracy:.3f}; AUC {found.auc:.3f}; TAR at FAR 0.01 {found.tar_at_far[0.01]:.3f}"
    )


if __name__ == "__main__":
    main()
