"""Recipe 4: the TensorFlow Addons tutorial under Keras 3: semi-hard triplets, projector files, a picture.

KERAS_BACKEND=torch python examples/semihard_keras.py --out semihard    (or jax, or tensorflow)
... --data FOLDER --picture umap    with a folder of MNIST's or Fashion-MNIST's files: the tutorial as it was
"""

import argparse

import keras
import numpy as np

import nearfar
from nearfar.compat import tensorflow_addons as tfa
from nearfar.data import load


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
    parser.add_argument("--data", default="digits", help="digits, or a folder of IDX files")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--picture", default="pca", help="pca, or umap where umap-learn is installed")
    parser.add_argument("--out", default="semihard")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    data = load(options.data)
    train, test = data.train, data.test

    model = network(train.shape)
    model.compile(keras.optimizers.Adam(0.001), loss=tfa.losses.TripletSemiHardLoss())
    model.fit(train.read(slice(None)), train.labels, batch_size=32, epochs=options.epochs, verbose=2)

    embeddings = model.predict(test.read(slice(None)), verbose=0)
    found = nearfar.evaluation.retrieval(np.asarray(embeddings), test.labels)
    print(f"precision@1 {found.precision_at_1:.3f}, MAP@R {found.map_at_r:.3f}")
    nearfar.visualize.write_projector(options.out, embeddings, test.labels)  # vecs.tsv, meta.tsv
    nearfar.visualize.plot(f"{options.out}/embedding.png", embeddings, test.labels, method=options.picture)


if __name__ == "__main__":
    main()
