"""torch_steps.py RANK WORLD STORE OUT: what surrounds the losses: failures, memory, training, masks, evaluation."""

import sys

import numpy as np
import torch
import torch.distributed as dist
from common import CUTS, LABELS, cut, error, joined, leave, write
from torch.nn.parallel import DistributedDataParallel

import nearfar.torch
from nearfar import losses, memory, pairs
from nearfar.distributed import gather_in_order, sharded
from nearfar.samplers import ClassBalancedSampler

EMBEDDINGS = np.random.default_rng(0).normal(size=(len(LABELS), 6))


def own(x, rank, world):
    return torch.tensor(cut(x, CUTS[world]["uneven"], rank))


def failures(rank, world):
    """What each process says when the last one brings something wrong, and whether the next loss is right."""
    last = rank == world - 1
    x, labels = own(EMBEDDINGS, rank, world), own(LABELS, rank, world)
    expected = losses.supcon_loss(torch.tensor(EMBEDDINGS), torch.tensor(LABELS)).item()

    def before_the_loss():
        if last:
            raise RuntimeError("a file cannot be read")
        return losses.supcon_loss(x, labels)

    def in_a_block():
        def distance(a, b):
            if last:
                raise RuntimeError("a distance of my own is wrong")
            return torch.cdist(a, b)

        return losses.contrastive_loss(x, labels, distance=distance)

    def nan_found():
        nearfar.debug.enable()
        try:
            return losses.supcon_loss(x / (0 if last else 1), labels)
        finally:
            nearfar.debug.enable(False)

    attempts = {
        "width": lambda: losses.supcon_loss(x[:, :4] if last else x, labels),
        "type": lambda: losses.supcon_loss(x.float() if last else x, labels),
        "labels": lambda: losses.triplet_loss(x, labels[:-1] if last else labels),
        "float labels": lambda: losses.contrastive_loss(x, labels.double() if last else labels),
        "option": lambda: losses.triplet_loss(x, labels, mining="hardest" if last else "hard"),
        "masks": lambda: losses.supcon_loss(x, pairs.Pairs(*[torch.ones(2, 2) > 0] * 2) if last else labels),
        "whole batch": lambda: losses.vicreg_loss(x, x[:, :3] if last else x),
        "before the loss": before_the_loss,
        "in the rows": in_a_block,
        "not finite": nan_found,
    }
    said = {}
    for name, attempt in attempts.items():
        try:
            with sharded():
                said[name] = ["no error", attempt().item()]
        except (RuntimeError, TypeError, ValueError) as wrong:
            said[name] = [type(wrong).__name__, str(wrong)]
        with sharded():
            said[name].append(error(losses.supcon_loss(x, labels).item(), expected))
    return said


def step(state, x, labels):
    references, masks = memory.references(state, x, labels)
    return losses.contrastive_loss(x, masks, references=references, negative_margin=3.0)


def memories(rank, world):
    """Five steps with a memory: errors of the values and gradients, and whether all memories are the same."""
    state = alone = memory.init(40, 6, like=torch.zeros(0).double(), labels_like=torch.zeros(0).long())
    worst = 0.0
    for number in range(5):
        table = np.random.default_rng(number).normal(size=EMBEDDINGS.shape)
        whole = torch.tensor(table, requires_grad=True)
        value = step(alone, whole, torch.tensor(LABELS))
        value.backward()
        alone = memory.update(alone, whole, torch.tensor(LABELS))
        x, labels = own(table, rank, world).requires_grad_(), own(LABELS, rank, world)
        with sharded():
            mine = step(state, x, labels)
            mine.backward()
            state = memory.update(state, x, labels)
        slope = cut(whole.grad.numpy(), CUTS[world]["uneven"], rank)
        worst = max(worst, error(mine.item(), value.item()), error(x.grad.numpy() / world, slope))
    same = all(torch.equal(one, another) for one, another in zip(state, alone, strict=True))
    return {"error": worst, "same": same, "filled": int(state.filled.sum())}


def training(rank, world):
    """Ten steps of Adam with proxies on a class-balanced sampler: weights here and on one process."""
    generator = np.random.default_rng(1)
    classes = np.repeat(np.arange(12), 9)
    inputs = generator.normal(size=(len(classes), 6))
    samplers = [ClassBalancedSampler(classes, 12 // world, 3, rank=r, world_size=world) for r in range(world)]

    def learner():
        torch.manual_seed(0)
        trunk = torch.nn.Linear(6, 5).double()
        arcface = nearfar.torch.ArcFaceLoss(num_classes=12, embedding_size=5, distributed=True, scale=8.0)
        triplet = nearfar.torch.TripletLoss(margin=1.0, mining="hard", distributed=True)

        def forward(x, labels):
            embeddings = trunk(x)
            return arcface(embeddings, labels) + triplet(embeddings, labels)

        model = torch.nn.Module()
        model.trunk, model.arcface, model.forward = trunk, arcface.double(), forward
        return model

    one, many = learner(), learner()
    averaged = DistributedDataParallel(many)
    optimizers = [torch.optim.Adam(model.parameters(), 0.05) for model in (one, many)]
    plans = [[batch for epoch in range(4) for batch in s.plan(epoch)] for s in samplers]
    for number in range(10):
        rows = np.concatenate([plan[number] for plan in plans])
        with no_process_group():
            one(torch.tensor(inputs[rows]), torch.tensor(classes[rows])).backward()
        mine = plans[rank][number]
        averaged(torch.tensor(inputs[mine]), torch.tensor(classes[mine])).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    found = [torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy() for model in (one, many)]
    return {"error": error(found[1], found[0]), "weights": found[1].tolist(), "batches": len(plans[rank])}


class no_process_group:
    """As if this process were alone."""

    def __enter__(self):
        self.asked, dist.is_initialized = dist.is_initialized, lambda: False

    def __exit__(self, *wrong):
        dist.is_initialized = self.asked


def masks(rank, world):
    """Whether masks made inside `sharded` are this process's rows of the whole batch's."""
    sizes = CUTS[world]["uneven"]
    tags = np.random.default_rng(3).random((len(LABELS), 4)) < 0.4
    with sharded():
        found = {
            "labels": pairs.from_labels(own(LABELS, rank, world)),
            "tags": pairs.from_multilabels(own(tags, rank, world), threshold=0.5),
            "views": pairs.from_views(3, torch.zeros(6)),
        }
    expected = {
        "labels": pairs.from_labels(LABELS),
        "tags": pairs.from_multilabels(tags, threshold=0.5),
        "views": pairs.from_labels(np.concatenate([[r * 3, r * 3 + 1, r * 3 + 2] * 2 for r in range(world)])),
    }
    rows = {"labels": sizes, "tags": sizes, "views": [6] * world}
    return {
        name: all(
            np.array_equal(one.numpy(), cut(another, rows[name], rank))
            for one, another in zip(found[name], expected[name], strict=True)
        )
        for name in found
    }


def evaluation(rank, world):
    """103 samples by torch's own sampler, which repeats some; and uneven parts, and wrong ones."""
    table = np.random.default_rng(2).normal(size=(103, 4)).astype(np.float32)
    names = np.arange(103) * 10**12
    sampler = torch.utils.data.DistributedSampler(range(103), world, rank, shuffle=True)
    mine = list(sampler)
    order, x, labels = gather_in_order(mine, torch.tensor(table[mine]), names[mine], size=103)
    few = np.arange(103)[3:] if rank == 0 else np.arange(0 if rank > 1 else 3)
    again = gather_in_order(few, table[few], size=103)
    said = []
    for wrong in (
        lambda: gather_in_order(mine[1:] if rank else mine, table[mine]),
        lambda: gather_in_order(mine[:-3], table[mine[:-3]], size=103),
        lambda: gather_in_order(mine, table[mine].astype("U5") if rank else table[mine]),
    ):
        try:
            wrong()
            said.append("no error")
        except (TypeError, ValueError) as error_:
            said.append(str(error_))
    return {
        "repeated": len(mine) * world - 103,
        "right": bool(np.array_equal(order, np.arange(103)) and np.array_equal(x, table)),
        "wide": bool(np.array_equal(labels, names)),
        "uneven": bool(np.array_equal(again[1], table)),
        "said": said,
    }


def main(rank, world, store, out):
    joined(rank, world, store, seconds=30)
    parts = (failures, memories, training, masks, evaluation)
    write(out, {part.__name__: part(rank, world) for part in parts})
    leave()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
