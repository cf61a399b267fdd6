"""Recipe 4: the TensorFlow Addons tutorial under Keras 3: semi-hard triplets, projector files, a picture.

KERAS_BACKEND=torch python examples/semihard_keras.py --out semihard    (or jax, or tensorflow)
"""

import argparse

import keras
import numpy as np
from sklearn.datasets import load_digits

import nearfar
from nearfar.compat import tensorflow_addons as tfa


def network(shape):
    """The tutorial's: two convolutions, 256 numbers of length 1."""
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Conv2D(64, 2, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Dropout(0.3),
            keras.layers.Conv2D(32, 2, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Dropout(0.3),
            keras.layers.Flatten(),
            keras.layers.Dense(256),
            keras.layers.UnitNormalization(),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--picture", default="pca", help="pca, or umap where umap-learn is installed")
    parser.add_argument("--out", default="semihard")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    images, labels = load_digits(
        return_X_y=True
    )  # 8 x 8; MNIST takes the same path, see `nearfar train FOLDER`
    images = (images / 16).reshape(-1, 8, 8, 1).astype("float32")
    train, test = slice(0, 1200), slice(1200, None)

    model = network(images.shape[1:])
    model.compile(keras.optimizers.Adam(0.001), loss=tfa.losses.TripletSemiHardLoss())
    model.fit(images[train], labels[train], batch_size=32, epochs=options.epochs, verbose=2)

    embeddings = model.predict(images[test], verbose=0)
    found = nearfar.evaluation.retrieval(np.asarray(embeddings), labels[test])
    print(f"precision@1 {found.precision_at_1:.3f}, MAP@R {found.map_at_r:.3f}")
    nearfar.visualize.write_projector(options.out, embeddings, labels[test])  # vecs.tsv, meta.tsv
    nearfar.visualize.plot(f"{options.out}/embedding.png", embeddings, labels[test], method=options.picture)


if __name__ == "__main__":
    main()
