"""Metric learning in several torch processes: the gradient of one process with the whole batch.

    torchrun --nproc-per-node 4 examples/distributed/torch_ddp.py             # one machine
    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \\
        examples/distributed/torch_ddp.py                                     # the same on each of two machines
    python examples/distributed/torch_ddp.py                                  # one process

GPUs are used where there are any (nccl), else the processors (gloo). Without a loop of one's own the same is

    torchrun --nproc-per-node 4 --no-python nearfar train DATA --backend torch --distributed
"""

import argparse
import os

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import nearfar.torch
from nearfar.distributed import gather_in_order
from nearfar.evaluation import retrieval
from nearfar.samplers import ClassBalancedSampler


def data(classes=32, samples=40, seed=0):
    """Noisy points around a centre of each class, seen through a random map."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), samples)
    points = generator.normal(size=(classes, 8))[labels] + 0.6 * generator.normal(size=(len(labels), 8))
    return np.tanh(points @ generator.normal(size=(8, 64))).astype(np.float32), labels


def embed(model, inputs, rank, world, device):
    """Every sample's embedding on every process; each embeds a part, of which the last rows may be repeated."""
    mine = list(torch.utils.data.DistributedSampler(range(len(inputs)), world, rank, shuffle=False))
    with torch.no_grad():
        part = model(torch.as_tensor(inputs[mine], device=device))
    return gather_in_order(mine, part, size=len(inputs))[1]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--epochs", type=int, default=10)
    epochs = options.parse_args().epochs

    started = "RANK" in os.environ  # by torchrun
    if started:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    rank, world = (dist.get_rank(), dist.get_world_size()) if started else (0, 1)
    device = (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else "cpu"
    )

    torch.manual_seed(0)  # the same first weights everywhere
    trunk = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 16)).to(
        device
    )
    loss = nearfar.torch.ProxyAnchorLoss(num_classes=32, embedding_size=16, distributed=True).to(device)
    learner = torch.nn.ModuleDict({"trunk": trunk, "loss": loss})
    learner.forward = lambda x, labels: learner["loss"](learner["trunk"](x), labels)
    model = DistributedDataParallel(learner) if started else learner  # proxies are averaged with the rest
    optimizer = torch.optim.Adam(learner.parameters(), 1e-2)

    inputs, labels = data()
    sampler = ClassBalancedSampler(labels, 16 // world, 4, rank=rank, world_size=world)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for rows in sampler:
            x, y = torch.as_tensor(inputs[rows], device=device), torch.as_tensor(labels[rows], device=device)
            value = model(x, y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        if rank == 0:
            print(f"epoch {epoch + 1} loss {value.item():.6f}", flush=True)

    found = retrieval(embed(trunk, inputs, rank, world, device), labels)
    if rank == 0:
        print(f"precision@1 {found.precision_at_1:.4f} of {len(labels)} samples", flush=True)
    if started:
        dist.barrier()  # nobody leaves while another still listens
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
