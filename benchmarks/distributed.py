"""Gradients and memory of losses over several processes, beside ways of gathering that are seen in the wild.

    python benchmarks/distributed.py                             # prints two tables
    python benchmarks/distributed.py --write docs/distributed.md # and puts them there

Processes talk by gloo on this machine. Every way ends as DistributedDataParallel does: gradients are averaged.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROWS, INPUTS, SIZE, CLASSES = 24, 16, 8, 6
BATCH, LENGTH = 8192, 128  # of the memory table
WAYS = (
    "nearfar, distributed=True",
    "each process its own rows (no gathering)",
    "gather without gradient, own rows put back, whole loss on each",
    "the same times W",
    "own rows against a gather without gradient",
    "own rows against a gather with gradient, mean of the process",
)


def gradients(rank, world, store):
    """Relative errors of every way for every loss, of what the trunk and the loss learn."""
    import torch
    import torch.distributed as dist

    from nearfar import losses
    from nearfar.distributed import everybody, sharded

    join(rank, world, store)
    generator = np.random.default_rng(0)
    inputs = torch.tensor(generator.normal(size=(ROWS, INPUTS)))
    labels = torch.tensor(generator.permutation(np.arange(ROWS) % CLASSES))
    own = slice(rank * ROWS // world, (rank + 1) * ROWS // world)
    learnt = {
        "SupCon": (losses.supcon_loss, {"temperature": torch.tensor(0.2)}),
        "triplet, active mean": (triplet, {"beta": torch.tensor(0.1)}),
        "margin": (losses.margin_loss, {"beta": torch.tensor(1.2)}),
        "ArcFace": (arcface, {"proxies": torch.tensor(generator.normal(size=(CLASSES, SIZE)))}),
    }
    start = torch.tensor(generator.normal(size=(INPUTS, SIZE)))

    def gathered(x):
        parts = [torch.empty_like(x) for _ in range(world)]
        dist.all_gather(parts, x.detach())
        return parts

    def run(way, loss, parameters, x, y):
        """What one process computes; `everyone` is what some call a gather."""
        if way == 0:
            with sharded():
                return loss(x, y, **parameters)
        if way == 1:
            return loss(x, y, **parameters)
        parts, codes = gathered(x), torch.cat(gathered(y))
        if way in (2, 3):
            parts[rank] = x
            value = loss(torch.cat(parts), codes, **parameters)
            return value if way == 2 else world * value
        if way == 4:
            everyone = torch.cat(parts)
        else:
            from nearfar.backends import backend_of

            with sharded():
                (everyone,), _ = everybody(backend_of(x), x)
        return against(loss, x, y, everyone, codes, own, parameters)

    found = {}
    for name, (loss, parameters) in learnt.items():
        whole = slopes(start, parameters, lambda w, p, loss=loss: loss(rows(inputs, w), labels, **p))
        for way, title in enumerate(WAYS):
            mine = slopes(
                start,
                parameters,
                lambda w, p, way=way, loss=loss: run(way, loss, p, rows(inputs[own], w), labels[own]),
            )
            for slope in mine:
                dist.all_reduce(slope)
                slope /= world
            found[f"{title}|{name}"] = [compared(a, b) for a, b in zip(mine, whole, strict=True)]
    dist.destroy_process_group()
    return found


def rows(inputs, weights):
    import torch

    return torch.tanh(inputs @ weights)


def triplet(x, labels, *, beta, **more):
    """All triplets, mean over those that still teach; the learnt number scales the embeddings."""
    from nearfar import losses

    more = {k: (1 + beta) * v if k == "references" else v for k, v in more.items()}
    return losses.triplet_loss(
        (1 + beta) * x, labels, mining="all", margin=0.5, reduction="active_mean", **more
    )


def arcface(x, labels, *, proxies, **more):
    """Its references are its proxies, so that there is nothing to gather."""
    from nearfar import losses

    return losses.arcface_loss(x, labels, proxies=proxies, scale=8.0)


def against(loss, x, y, everyone, codes, own, parameters):
    """Own anchors against references among which they are themselves, which must not be their positives."""
    from nearfar.pairs import Pairs

    if loss is arcface:
        return loss(x, y, **parameters)
    same = y[:, None] == codes[None, :]
    other = same.clone()
    other[range(len(y)), range(own.start, own.stop)] = False
    return loss(x, Pairs(other, ~same), references=everyone, **parameters)


def slopes(start, parameters, value):
    """Gradients of the trunk and of what the loss learns."""
    import torch

    weights = start.clone().requires_grad_()
    leaves = {name: p.clone().double().requires_grad_() for name, p in parameters.items()}
    value(weights, leaves).backward()
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in (weights, *leaves.values())]


def compared(found, expected):
    """Relative error, length as a multiple of the right one, cosine."""
    a, b = found.numpy().ravel(), expected.numpy().ravel()
    length = np.linalg.norm(b)
    return [
        float(np.linalg.norm(a - b) / length),
        float(np.linalg.norm(a) / length),
        float(a @ b / max(np.linalg.norm(a) * length, 1e-300)),
    ]


def memory(rank, world, store, loss, block):
    """Megabytes that the peak rises above what the process had before: forward and backward."""
    import torch
    import torch.distributed as dist

    from nearfar import losses
    from nearfar.distributed import sharded

    join(rank, world, store)

    def step(count, block):
        x = torch.nn.functional.normalize(
            torch.randn(count, LENGTH, generator=torch.Generator().manual_seed(rank))
        )
        labels = torch.arange(rank * count, (rank + 1) * count) // 4
        with sharded():
            value = getattr(losses, loss)(x.requires_grad_(), labels, block=block)
        value.backward()

    step(64, None)  # what the libraries take for themselves
    dist.barrier()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(BATCH // world, block)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    dist.destroy_process_group()
    return (after - before) / 1024


def join(rank, world, store):
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)


def started(world, *job):
    """What each of `world` fresh processes returns."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--job", *map(str, job), "--at", f"{folder}/store", str(world)]
        running = [
            subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE, text=True)
            for rank in range(world)
        ]
        printed = [process.communicate()[0] for process in running]
    return [json.loads(text) for text in printed]


def table_of_gradients():
    by_world = {world: started(world, "gradients")[0] for world in (2, 4)}
    names = list(dict.fromkeys(key.split("|")[1] for key in by_world[2]))
    learns = {
        "SupCon": "temperature",
        "triplet, active mean": "scale",
        "margin": "beta",
        "ArcFace": "proxies",
    }
    heads = [f"{name}: trunk | {learns[name]}" for name in names]
    lines = ["| way | W | " + " | ".join(heads) + " |", "|---|---" + "|---:|---:" * len(names) + "|"]
    for title in WAYS:
        for world, found in by_world.items():
            cells = [word(one) for name in names for one in found[f"{title}|{name}"]]
            lines.append(f"| {title} | {world} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def word(compared):
    """An error, and for what is wrong by a factor or in direction, how."""
    error, length, cosine = compared
    if error < 1e-6:
        return f"{error:.0e}" if error else "0"
    how = f"x{length:.2f}" if cosine > 0.99999 else f"x{length:.2f}, cosine {cosine:.3f}"
    return f"**{error:.2g}** ({how})"


def table_of_memory():
    lines = ["| loss | block | W = 1 | W = 2 | W = 4 |", "|---|---|---:|---:|---:|"]
    for loss, block in (("supcon_loss", "None"), ("triplet_loss", "None"), ("supcon_loss", "64")):
        peaks = [max(started(world, "memory", loss, block)) for world in (1, 2, 4)]
        lines.append(f"| `{loss}` | {block} | " + " | ".join(f"{peak:,.0f} MB" for peak in peaks) + " |")
    return "\n".join(lines)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--write", metavar="FILE", help="put the tables between their marks in a Markdown file"
    )
    options.add_argument("--only", choices=("gradients", "memory"))
    options.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    options.add_argument("--at", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.job:
        store, world, rank = given.at[0], int(given.at[1]), int(given.at[2])
        if given.job[0] == "gradients":
            found = gradients(rank, world, store)
        else:
            found = memory(
                rank, world, store, given.job[1], None if given.job[2] == "None" else int(given.job[2])
            )
        print(json.dumps(found))
        return
    makers = {"gradients": table_of_gradients, "memory": table_of_memory}
    for name, make in makers.items():
        if given.only in (None, name):
            table = make()
            print(f"\n{table}", flush=True)
            if given.write:
                path, mark = Path(given.write), f"<!-- {name} -->"
                before, _, after = path.read_text(encoding="utf-8").split(mark)
                path.write_text(f"{before}{mark}\n{table}\n{mark}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
