"""One framework's contenders in one process: it reads a line of JSON, times that case once, and answers with a line of JSON.

Started by losses.py; by hand: echo '{"name": "nearfar all", "batch": 512, "per_class": 4}' | python contenders.py torch
"""

import ctypes
import gc
import json
import os
import re
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

DIMENSION, MARGIN = 128, 0.2


def batch(size: int, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(size, DIMENSION)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x, generator.permutation(np.arange(size) // per_class).astype(np.int32)


def nearfar_losses() -> dict[str, Callable]:
    from nearfar import losses

    return {
        "nearfar all": lambda x, y: losses.triplet_loss(x, y, margin=MARGIN, mining="all"),
        "nearfar semihard": lambda x, y: losses.triplet_loss(x, y, margin=MARGIN, mining="semihard"),
        "nearfar hard": lambda x, y: losses.triplet_loss(x, y, margin=MARGIN, mining="hard"),
        "nearfar contrastive": lambda x, y: losses.contrastive_loss(x, y),
        "nearfar multi-similarity": lambda x, y: losses.multi_similarity_loss(x, y),
        "nearfar nt-xent": lambda x, y: losses.nt_xent_loss(x, y),
        "nearfar supcon": lambda x, y: losses.supcon_loss(x, y),
    }


def torch_contenders() -> dict[str, Callable]:
    import torch

    contenders = dict(nearfar_losses())
    try:
        from pytorch_metric_learning import losses as pml
        from pytorch_metric_learning import miners

        triplet = pml.TripletMarginLoss(margin=MARGIN)
        semihard, hard = (
            miners.TripletMarginMiner(margin=MARGIN, type_of_triplets="semihard"),
            miners.BatchHardMiner(),
        )
        contenders |= {
            "pytorch-metric-learning all": lambda x, y: triplet(x, y),
            "pytorch-metric-learning semihard": lambda x, y: triplet(x, y, semihard(x, y)),
            "pytorch-metric-learning hard": lambda x, y: triplet(x, y, hard(x, y)),
            "pytorch-metric-learning contrastive": pml.ContrastiveLoss(),
            "pytorch-metric-learning multi-similarity": pml.MultiSimilarityLoss(),
            "pytorch-metric-learning nt-xent": pml.NTXentLoss(),
            "pytorch-metric-learning supcon": pml.SupConLoss(),
        }
    except ImportError:
        pass
    try:
        from sentence_transformers import losses as st

        every = st.BatchAllTripletLoss(None, margin=MARGIN)
        semi = st.BatchSemiHardTripletLoss(None, margin=MARGIN)
        contenders |= {
            "sentence-transformers all": lambda x, y: every.batch_all_triplet_loss(y, x),
            "sentence-transformers semihard": lambda x, y: semi.batch_semi_hard_triplet_loss(y, x),
        }
    except ImportError:
        pass

    def run(loss):
        def step(x, y):
            x = x.requires_grad_()
            loss(x, y).backward()

        return step

    def floor(x, y):
        similarity = x @ x.T
        return similarity @ x, similarity.T @ x

    def tensors(x, y):
        return torch.tensor(x), torch.tensor(y, dtype=torch.int64)

    return _timed({name: run(loss) for name, loss in contenders.items()} | {"floor": floor}, tensors)


def jax_contenders() -> dict[str, Callable]:
    import jax
    import jax.numpy as jnp

    losses = dict(nearfar_losses())
    try:
        import optax

        losses["optax nt-xent"] = lambda x, y: optax.losses.ntxent(x, y)
    except ImportError:
        pass
    compiled = {name: jax.jit(jax.value_and_grad(loss)) for name, loss in losses.items()}

    @jax.jit
    def floor(x, y):
        similarity = x @ x.T
        return similarity @ x, similarity.T @ x

    def run(step):
        return lambda x, y: jax.block_until_ready(step(x, y))

    tensors = lambda x, y: (jnp.asarray(x), jnp.asarray(y))
    return _timed({name: run(step) for name, step in (compiled | {"floor": floor}).items()}, tensors)


def tensorflow_contenders(losses: dict[str, Callable] | None = None) -> dict[str, Callable]:
    import tensorflow as tf

    def run(loss):
        @tf.function(reduce_retracing=False)
        def step(x, y):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(x, y)
            return tape.gradient(value, x)

        return lambda x, y: step(x, y).numpy()

    @tf.function
    def floor(x, y):
        similarity = x @ tf.transpose(x)
        return similarity @ x, tf.transpose(similarity) @ x

    steps = {name: run(loss) for name, loss in (losses or nearfar_losses()).items()}
    steps["floor"] = lambda x, y: floor(x, y)[0].numpy()
    return _timed(steps, lambda x, y: (tf.constant(x), tf.constant(y)))


def tfa_contenders() -> dict[str, Callable]:
    """TensorFlow Addons 0.23; needs Python 3.11 and tensorflow-cpu 2.15 in an environment of its own."""
    from tensorflow_addons.losses import triplet_hard_loss, triplet_semihard_loss

    return tensorflow_contenders(
        {
            "tensorflow-addons semihard": lambda x, y: triplet_semihard_loss(y, x, margin=MARGIN),
            "tensorflow-addons hard": lambda x, y: triplet_hard_loss(y, x, margin=MARGIN),
        }
    )


def _timed(steps: dict[str, Callable], tensors: Callable) -> dict[str, Callable]:
    return {name: (lambda x, y, step=step: step(*tensors(x, y))) for name, step in steps.items()}


def peak_megabytes() -> float:
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) / 1024


def reset_peak() -> None:
    """Linux: the peak of this process is counted from here on, and freed memory it still holds is given back first."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")


def main() -> None:
    makers = {
        "torch": torch_contenders,
        "jax": jax_contenders,
        "tensorflow": tensorflow_contenders,
        "tfa": tfa_contenders,
    }
    contenders = makers[sys.argv[1]]()
    print(json.dumps(sorted(contenders)), flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        x, y = batch(case["batch"], case["per_class"])
        step = contenders[case["name"]]
        answer: dict[str, float | str] = {}
        try:
            for _ in range(case.get("warmups", 0)):
                step(x, y)
            reset_peak()
            before = peak_megabytes()
            start = time.perf_counter()
            for _ in range(case.get("repeats", 1)):
                step(x, y)
            answer["seconds"] = (time.perf_counter() - start) / case.get("repeats", 1)
            answer["megabytes"] = peak_megabytes() - before
        except Exception as error:  # a contender that cannot do a size is part of the result
            answer["error"] = f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
