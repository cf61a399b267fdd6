"""Recipe 1: contrastive loss of pairs, added to an ordinary classification loss on a hidden layer (PyTorch).

python examples/contrastive_pairs.py --epochs 20
"""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits

import nearfar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--weight", type=float, default=0.5, help="of the contrastive term")
    epochs, weight = vars(parser.parse_args()).values()
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    train, test = slice(0, 1200), slice(1200, None)

    hidden = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 16))
    top = torch.nn.Linear(16, 10)
    optimizer = torch.optim.Adam([*hidden.parameters(), *top.parameters()], lr=3e-3)
    for epoch in range(epochs):
        left, right, same = map(
            torch.as_tensor, nearfar.samplers.sample_pairs(labels[train], 1200, seed=epoch)
        )
        for part in torch.arange(1200).split(100):
            i, j = left[part], right[part]
            x, y = hidden(images[i]), hidden(images[j])
            # same is True for two of one class: the API refuses floats, the usual way to mix the polarity up
            contrast = nearfar.losses.pair_contrastive_loss(x, y, same[part], margin=2.0)
            loss = torch.nn.functional.cross_entropy(top(x), labels[i]) + weight * contrast
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        embeddings = hidden(images[test])
        accuracy = (top(embeddings).argmax(dim=1) == labels[test]).float().mean().item()
    found = nearfar.evaluation.retrieval(embeddings.numpy(), np.asarray(labels[test]))
    print(
        f"classification accuracy {accuracy:.3f}, precision@1 of the hidden layer {found.precision_at_1:.3f}"
    )


if __name__ == "__main__":
    main()
