"""Every loss of the catalogue, and pytorch-metric-learning's of the same name, in one loop on the glyphs.

    python benchmarks/catalogue.py --processes 2         # goes on where it stopped; writes docs/losses.json
    python benchmarks/catalogue.py --losses arcface_loss,peer:arcface_loss --seeds 1 --out /tmp/try.json
    python benchmarks/catalogue.py --whole --losses arcface_loss,p2sgrad_loss    # as `nearfar train glyphs` has them

All runs have the same network, batches, steps, augmentation and optimiser; a seed gives each the same weights and the
same batches to start from. Each loss has its own defaults, as `nearfar train glyphs --loss NAME` and the peer's
constructor have them. What a loss learns (proxies) is trained with the network. Measured on characters that are not
trained on, after the last step; nothing is chosen by what is measured.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

STEPS, WIDTH, CLASSES, SAMPLES = 240, 8, 32, 4
RAW, UNTRAINED, PEER = "raw pixels", "untrained", "peer:"
OUT = Path(__file__).parent.parent / "docs" / "losses.json"

#: our loss -> pytorch-metric-learning's class, and what its constructor must be given: C classes, rows of D numbers
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "angular_loss": ("AngularLoss", {}),
    "arcface_loss": ("ArcFaceLoss", {"num_classes": "C", "embedding_size": "D"}),
    "circle_loss": ("CircleLoss", {}),
    "contrastive_loss": ("ContrastiveLoss", {}),
    "cosface_loss": ("CosFaceLoss", {"num_classes": "C", "embedding_size": "D"}),
    "dynamic_soft_margin_loss": ("DynamicSoftMarginLoss", {}),
    "fast_ap_loss": ("FastAPLoss", {}),
    "generalized_lifted_structure_loss": ("GeneralizedLiftedStructureLoss", {}),
    "histogram_loss": ("HistogramLoss", {}),
    "instance_loss": ("InstanceLoss", {}),
    "intra_pair_variance_loss": ("IntraPairVarianceLoss", {}),
    "large_margin_softmax_loss": ("LargeMarginSoftmaxLoss", {"num_classes": "C", "embedding_size": "D"}),
    "lifted_structure_loss": ("LiftedStructureLoss", {}),
    "margin_loss": ("MarginLoss", {}),
    "multi_similarity_loss": ("MultiSimilarityLoss", {}),
    "n_pairs_loss": ("NPairsLoss", {}),
    "nca_loss": ("NCALoss", {}),
    "normalized_softmax_loss": ("NormalizedSoftmaxLoss", {"num_classes": "C", "embedding_size": "D"}),
    "nt_xent_loss": ("NTXentLoss", {}),
    "p2sgrad_loss": ("P2SGradLoss", {"num_classes": "C", "descriptors_dim": "D"}),
    "pnp_loss": ("PNPLoss", {}),
    "proxy_anchor_loss": ("ProxyAnchorLoss", {"num_classes": "C", "embedding_size": "D"}),
    "proxy_nca_loss": ("ProxyNCALoss", {"num_classes": "C", "embedding_size": "D"}),
    "ranked_list_loss": ("RankedListLoss", {"margin": 0.4, "Tn": 10}),  # it has no defaults; these are ours
    "signal_to_noise_contrastive_loss": ("SignalToNoiseRatioContrastiveLoss", {}),
    "smooth_ap_loss": ("SmoothAPLoss", {}),
    "soft_triple_loss": ("SoftTripleLoss", {"num_classes": "C", "embedding_size": "D"}),
    "sphereface_loss": ("SphereFaceLoss", {"num_classes": "C", "embedding_size": "D"}),
    "sub_center_arcface_loss": ("SubCenterArcFaceLoss", {"num_classes": "C", "embedding_size": "D"}),
    "supcon_loss": ("SupConLoss", {}),
    "threshold_consistent_margin_loss": ("ThresholdConsistentMarginLoss", {}),
    "triplet_loss": ("TripletMarginLoss", {}),
    "tuplet_margin_loss": ("TupletMarginLoss", {}),
    "vicreg_loss": ("VICRegLoss", {}),
}


def start() -> None:
    """In each process: one thread, PyTorch under Keras."""
    os.environ.update(KERAS_BACKEND="torch", TF_CPP_MIN_LOG_LEVEL="3", OMP_NUM_THREADS="1")
    import torch

    torch.set_num_threads(1)


def peer_layer(name: str, num_classes: int, dim: int) -> Any:
    """pytorch-metric-learning's loss as a Keras layer of embeddings and labels, with its own learnt tensors."""
    import keras
    import torch
    from pytorch_metric_learning import losses

    from nearfar.combine import partners
    from nearfar.losses.catalogue import entry

    sizes = {"C": num_classes, "D": dim}

    def module(name: str) -> torch.nn.Module:
        class_name, arguments = PEERS[name]
        return getattr(losses, class_name)(**{key: sizes.get(x, x) for key, x in arguments.items()})

    class Peer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            added_to = entry(name).training.added_to
            self.parts = torch.nn.ModuleList(module(one) for one in (name, added_to) if one)

        def forward(self, x, labels):
            if name == "vicreg_loss":  # two views, and no labels
                return self.parts[0](x, ref_emb=x[partners(labels)])
            return sum(part(x, labels.long()) for part in self.parts)

    layer = keras.layers.TorchModuleWrapper(Peer(), name="objective")
    layer.built = True
    return layer


def measured(name: str, seed: int, steps: int, instead: dict[str, Any]) -> dict[str, float]:
    """Trains with one loss and returns precision@1 and MAP@R on the characters left out."""
    import keras
    import numpy as np
    import torch

    from nearfar.evaluation import retrieval
    from nearfar.training import TrainConfig, defaults
    from nearfar.training.embedding import embed
    from nearfar.training.report import raw_inputs
    from nearfar.training.run import load_data
    from nearfar.training.trainer import prepared

    own = name.removeprefix(PEER)
    budget = {
        "epochs": 1,
        "batches_per_epoch": steps,
        "classes_per_batch": CLASSES,
        "samples_per_class": SAMPLES,
        "validation_fraction": 0.0,
        "model_options": {"width": WIDTH},
    }
    loss = "supcon_loss" if own in (RAW, UNTRAINED) else own
    config = TrainConfig(**{"data": "glyphs", "loss": loss, "seed": seed, **budget, **instead})
    data = load_data(config)
    rows = np.arange(len(data.train))
    if own == RAW:
        inputs = raw_inputs(data, np.arange(len(data.test)), seed=seed)
        return scores(retrieval(inputs, data.test.labels).to_dict())
    config = defaults.resolve(config, data, data.train.labels, "torch")
    keras.utils.set_random_seed(seed)
    layer = peer_layer(own, int(data.train.labels.max()) + 1, 128) if name.startswith(PEER) else None
    learner, batches = prepared(config, data, rows, loss=layer, monitor=False)
    begun = time.process_time()
    if own != UNTRAINED:
        torch.manual_seed(seed)
        silent: Any = 0  # Keras' hint says str, its documentation 0
        learner.fit(batches, epochs=1, verbose=silent)
    seconds = time.process_time() - begun
    x = embed(learner.network, data.test)
    return scores(retrieval(x, data.test.labels).to_dict()) | {"seconds": round(seconds, 2)}


def whole(name: str) -> dict[str, float]:
    """The two figures of `nearfar train glyphs --backend torch --loss NAME`."""
    from nearfar.training import TrainConfig, train

    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(data="glyphs", backend="torch", loss=name, out=f"{folder}/run")
        return scores(train(config, say=lambda line: None).report["trained"]["retrieval"])


def scores(found: dict[str, Any]) -> dict[str, float]:
    """The two figures, to five digits."""
    return {name: round(float(found[name]), 5) for name in ("precision_at_1", "map_at_r")}


def attempt(run: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, Any]:
    """What a run gives; an error is part of the result."""
    try:
        return run(*arguments)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}


def about(steps: int) -> dict[str, Any]:
    """What the figures depend on."""
    names = ("nearfar", "pytorch-metric-learning", "torch", "keras", "numpy")
    return {
        "steps": steps,
        "queries": 2400,
        "width": WIDTH,
        "batch": [CLASSES, SAMPLES],
        "machine": processor(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in names},
        "date": date.today().isoformat(),
    }


def processor() -> str:
    """The processor's name, where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.processor()}, {os.cpu_count()} threads, one used by a run"


def write(path: Path, found: dict[str, Any]) -> None:
    """Whole or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    beside.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--losses", default="", help="some of them; peer:NAME is the peer's")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="the budget of nearfar train, one run of a loss")
    parser.add_argument("--at-most", type=int, default=10**9, help="stop after so many runs")
    parser.add_argument("--instead", default="{}", help="other fields of TrainConfig in JSON, for trials")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    from nearfar import losses

    names = options.losses.split(",") if options.losses else [RAW, UNTRAINED]
    if not options.losses:
        for name in losses.__all__:
            names += [name, PEER + name] if name in PEERS else [name]
    found = {"runs": {}, "longer": {}} | (json.loads(options.out.read_text()) if options.out.exists() else {})
    instead = json.loads(options.instead)

    def keep(name: str, seed: int, result: dict[str, Any]) -> None:
        if options.whole:
            found["longer"][name] = result
        else:
            found["runs"].setdefault(name, {})[str(seed)] = result
        write(options.out, found)

    if options.whole:
        missing = [name for name in names if name in losses.__all__ and name not in found["longer"]]
        jobs = {(name, 0): (whole, name) for name in missing}
    else:
        jobs = {
            (name, seed): (measured, name, seed, options.steps, instead)
            for seed in range(options.seeds)
            for name in names
            if str(seed) not in found["runs"].get(name, {})
        }
        found["about"] = about(options.steps) if jobs else found["about"]
    with ProcessPoolExecutor(options.processes, initializer=start) as pool:
        some = list(jobs.items())[: options.at_most]
        waiting = {pool.submit(attempt, *call): one for one, call in some}
        for done in as_completed(waiting):
            keep(*waiting[done], done.result())
            print(*waiting[done], done.result(), flush=True)
    print(f"{len(some)} runs done.", flush=True)


if __name__ == "__main__":
    main()
