"""Images a second of nearfar's trainer against a bare `model.fit` with a one-line loss: same network, data and batches.

    KERAS_BACKEND=jax python benchmarks/train.py            # or torch, tensorflow

Epochs of the two take turns; the ratio is of their medians, so that a change of the machine's speed hits both alike.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from nearfar.data import load
from nearfar.samplers import ClassBalancedSampler
from nearfar.training.learner import MetricLearner
from nearfar.training.models import build_model
from nearfar.training.objective import Objective
from nearfar.training.pipeline import Batches


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loss", default="supcon_loss")
    parser.add_argument("--epochs", type=int, default=7)
    options = parser.parse_args()
    samples = load("glyphs").train
    sampler = ClassBalancedSampler(samples.labels, 32, 4, seed=0)
    rows = range(len(samples))

    def batches() -> Batches:
        import numpy as np

        return Batches(samples, np.asarray(rows), sampler, augment=0.6, seed=0)

    bare = build_model("resnet", samples.shape, {}, 128)
    bare.compile("adam", loss=lambda labels, embeddings: keras.ops.mean(embeddings[:, 0]))
    network = build_model("resnet", samples.shape, {}, 128)
    learner = MetricLearner(network, Objective(options.loss, {}, 250, 128))
    learner.compile("adam")
    seconds: dict[str, list[float]] = {"bare": [], "nearfar": []}
    for epoch in range(options.epochs + 1):
        for name, model in (("bare", bare), ("nearfar", learner)):
            data = batches()
            start = time.perf_counter()
            model.fit(data, verbose=0)
            if epoch:  # the first compiles
                seconds[name].append(time.perf_counter() - start)
    images = len(sampler) * 128
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {images / median:,.0f} images a second ({median:.2f} s an epoch of {images:,})")
    overhead = medians["nearfar"] / medians["bare"] - 1
    print(f"overhead on {keras.backend.backend()} with {options.loss}: {overhead:.1%}")


if __name__ == "__main__":
    main()
