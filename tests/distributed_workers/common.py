"""What the workers of all frameworks share: batches cut over processes, and how two results are compared."""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))  # for the cases in `reference`

from reference import Case, all_cases

LABELS = np.array([0, 1, 2, 0, 3, 1, 0, 2, 2, 1, 3, 0, 4, 1, 2, 0, 3, 5, 1, 2, 0, 3, 5, 1], np.int64)
CLASSES, INPUTS, SIZE = 6, 7, 5  # 4 has no positive; inputs of the trunk, length of an embedding
CUTS = {  # rows per process
    2: {"even": [12, 12], "uneven": [13, 11], "empty": [24, 0]},
    4: {"uneven": [7, 6, 6, 5], "empty": [9, 8, 7, 0]},
}


def number(value):
    """A learnable number."""
    return lambda generator, classes, size: np.array(value)


def memory(generator, classes, size):
    """As many references of each class as every process holds."""
    return generator.normal(size=(2 * classes, size))


OTHERS = {"references": memory}
MORE = [  # what the catalogue's own table leaves to other tests: learnt numbers, references, two or three tables
    Case("supcon_loss", print, {}, {"temperature": number(0.3)}),
    Case("supcon_loss", print, {"reference_labels": np.arange(2 * CLASSES) % CLASSES}, OTHERS),
    Case(
        "triplet_loss", print, {"reference_labels": np.arange(2 * CLASSES) % CLASSES, "margin": 1.0}, OTHERS
    ),
    Case("multiple_negatives_ranking_loss", print, {"symmetric": True}, {"scale": number(4.0)}),
    Case("vicreg_loss", print, blocks=False),
    Case("barlow_twins_loss", print, blocks=False),
    Case("pair_contrastive_loss", print, {"margin": 1.5}, blocks=False),
    Case("triplet_margin_loss", print, {"margin": 1.5, "swap": True}, blocks=False),
]
_TABLES = {
    "multiple_negatives_ranking_loss": 2,
    "vicreg_loss": 2,
    "barlow_twins_loss": 2,
    "pair_contrastive_loss": 2,
    "triplet_margin_loss": 3,
}


def cases(only=""):
    """The catalogue's and `MORE`, of which those that have `only` in their names."""
    return [case for case in [*all_cases(), *MORE] if only in case.id]


#: of every way in which a loss exchanges something: rows, sums, whole batches, classes
WAYS = ("supcon_loss", "contrastive_loss", "triplet_loss", "arcface_loss", "proxy_anchor_loss", "vicreg_loss")


def first_cases(only=""):
    """Each loss once, and every setting of `WAYS`; torch's processes, which start sooner, run every setting of all."""
    seen = set()
    return [c for c in cases(only) if c.loss in WAYS or not (c.loss in seen or seen.add(c.loss))]


def named(case):
    """Its id, and what it learns."""
    return f"{case.id} {'+'.join(case.parameters)}".strip().replace("\n", "")


def value_of(losses, case, x, labels, learnt, tensor, *, weigh=False, **more):
    """The case's loss of embeddings, from which further tables are made where it takes several."""
    options = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in case.options.items()}
    if weigh:
        options["weights"] = 0.5 + x[:, 0] * x[:, 0]
    tables = [x, 2 * x * x - x, x * x * x][: _TABLES.get(case.loss, 1)]
    if case.loss not in _TABLES:
        tables.append(labels)
    elif case.loss == "pair_contrastive_loss":
        tables.append(labels > 1)
    return getattr(losses, case.loss)(*tables, **learnt, **options, **more)


def cut(x, sizes, rank):
    """The rows of one process."""
    start = sum(sizes[:rank])
    return x[start : start + sizes[rank]]


def batch(case, dtype=np.float64, seed=0):
    """Inputs of the trunk, its weights, and the learnable tensors of a case by name."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(len(LABELS), INPUTS)).astype(dtype)
    weights = generator.normal(size=(INPUTS, SIZE)).astype(dtype)
    parameters = {
        name: draw(generator, CLASSES, SIZE).astype(dtype) for name, draw in case.parameters.items()
    }
    return inputs, weights, parameters


def error(found, expected):
    """Largest difference, relative to the largest expected number."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return float("inf")
    scale = max(np.abs(expected).max(initial=0.0), 1e-6)  # below that is rounding
    return float(np.abs(found - expected).max(initial=0.0) / scale)


def write(path, results):
    """Whole or not at all."""
    temporary = Path(f"{path}.part")
    temporary.write_text(json.dumps(results))
    temporary.rename(path)


def joined(rank, world, store, seconds=60):
    """A process of torch's default group, of one thread."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    patience = timedelta(seconds=seconds)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=world, timeout=patience
    )


def leave():
    """Ends a process of torch's group at once: its threads now and then abort an interpreter that shuts down in order."""
    import torch.distributed as dist

    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)
