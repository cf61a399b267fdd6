"""torch_losses.py RANK WORLD STORE OUT: every case under DistributedDataParallel, against one process."""

import inspect
import os
import sys

import numpy as np
import torch
from common import CUTS, LABELS, batch, cases, cut, error, joined, leave, named, value_of, write
from torch.nn.parallel import DistributedDataParallel

from nearfar import losses, pairs
from nearfar.distributed import sharded

ONLY = os.environ.get("ONLY", "")


class Learner(torch.nn.Module):
    """A trunk of one matrix, the tensors that the loss learns, and the loss."""

    def __init__(self, case, weights, parameters, as_pairs=False, **more):
        super().__init__()
        self.trunk = torch.nn.Parameter(torch.tensor(weights))
        self.learnt = torch.nn.ParameterDict(
            {k: torch.nn.Parameter(torch.tensor(v)) for k, v in parameters.items()}
        )
        self.case, self.as_pairs, self.more = case, as_pairs, more

    def forward(self, inputs, labels):
        x = torch.tanh(inputs @ self.trunk)
        if self.case.normalised:
            x = torch.nn.functional.normalize(x)
        labels = pairs.from_labels(labels) if self.as_pairs else labels
        return value_of(losses, self.case, x, labels, dict(self.learnt), torch.tensor, **self.more)

    def gradients(self):
        return {name: p.grad.numpy() for name, p in self.named_parameters() if p.requires_grad}


def compare(case, sizes, rank, dtype=np.float64, **more):
    """Relative errors of the value and of each gradient."""
    inputs, weights, parameters = batch(case, dtype)
    alone = Learner(case, weights, parameters, **more)
    expected = alone(torch.tensor(inputs), torch.tensor(LABELS))
    expected.backward()
    many = Learner(case, weights, parameters, **more)
    for one, another in zip(alone.parameters(), many.parameters(), strict=True):
        one.requires_grad_(one.grad is not None)  # some are no weights but constants to the gradient
        another.requires_grad_(one.grad is not None)
    many = DistributedDataParallel(many)
    with sharded():
        value = many(torch.tensor(cut(inputs, sizes, rank)), torch.tensor(cut(LABELS, sizes, rank)))
    value.backward()
    found, wanted = many.module.gradients(), alone.gradients()
    return {"value": error(value.item(), expected.item())} | {k: error(found[k], wanted[k]) for k in wanted}


def works_alone(case, **more):
    """Whether the loss takes it at all, such as masks in place of labels."""
    inputs, weights, parameters = batch(case)
    try:
        Learner(case, weights, parameters, **more)(torch.tensor(inputs), torch.tensor(LABELS))
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def runs_of(case, world, first):
    """Name -> (rows of each process, options)."""
    uneven = CUTS[world]["uneven"]
    runs = {cuts: (sizes, {}) for cuts, sizes in CUTS[world].items()}
    if world > 2:
        return runs
    if case.blocks:
        runs["blocks"] = (uneven, {"block": 4})
    if "reference_labels" not in case.options and works_alone(case, as_pairs=True):
        runs["pairs"] = (uneven, {"as_pairs": True})
    takes = inspect.signature(getattr(losses, case.loss)).parameters
    if "reduction" in takes:
        runs |= {name: (uneven, {"reduction": name}) for name in ("sum", "active_mean")}
    if "weights" in takes and "weights" not in case.options:
        runs["weights"] = (uneven, {"weigh": True})
    if first:
        runs["float32"] = (uneven, {"dtype": np.float32})
    return runs


def main(rank, world, store, out):
    joined(rank, world, store)
    results, seen = {}, set()
    for case in cases(ONLY):
        for run, (sizes, more) in runs_of(case, world, case.loss not in seen).items():
            try:
                results[f"{named(case)}: {run}"] = compare(case, sizes, rank, **more)
            except Exception as wrong:  # the same on every process, or the time-out ends it
                results[f"{named(case)}: {run}"] = {"error": f"{type(wrong).__name__}: {wrong}"}
        seen.add(case.loss)
    write(out, results)
    leave()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
