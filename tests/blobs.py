"""Embeddings in clusters, for tests of pictures and searches."""

import numpy as np


def blobs(classes=6, each=20, dims=8, apart=4.0, seed=0):
    """Embeddings in clusters, their labels, and 10 x 10 grey pictures."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    centres = apart * random.normal(size=(classes, dims))
    rows = (centres[labels] + random.normal(size=(len(labels), dims))).astype(np.float32)
    images = random.integers(0, 255, (len(labels), 10, 10), dtype=np.uint8)
    return rows, labels, images
