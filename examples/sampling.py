"""Recipe 5: triplets drawn from labels, then mined over the whole data set; verified as FaceNet does (PyTorch).

python examples/sampling.py --rounds 4
"""

import argparse

import torch
from sklearn.datasets import load_digits

import nearfar
import nearfar.torch
from nearfar import samplers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=4, help="each embeds all data, mines, and trains on what it found"
    )
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    images, train, test = torch.tensor(images / 16, dtype=torch.float32), slice(0, 1200), slice(1200, None)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    def step(loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    explicit = nearfar.torch.TripletMarginLoss(margin=0.5, distance="squared_euclidean")
    for number in range(rounds):
        if number == 0:  # nothing is known yet: random triplets
            triplets = samplers.sample_triplets(labels[train], 3000)
        else:
            with torch.no_grad():
                embeddings = model(images[train])
            triplets = samplers.mine_triplets(embeddings, labels[train], mining="semihard", seed=number)
        rows = torch.stack([torch.as_tensor(part) for part in triplets])
        for part in rows[:, torch.randperm(rows.shape[1])].split(100, dim=1):
            step(explicit(*[model(images[i]) for i in part]))

    online = nearfar.torch.TripletLoss(margin=0.5, mining="hard")  # and in the batch, with balanced batches
    for batch in samplers.ClassBalancedSampler(labels[train], 10, 8):
        step(online(model(images[batch]), torch.as_tensor(labels[batch])))

    with torch.no_grad():
        embeddings = model(images[test]).numpy()
    pairs = samplers.sample_pairs(labels[test], 2000)
    found = nearfar.evaluation.verification(embeddings, pairs=pairs, folds=10)
    print(
        f"ten folds: accuracy {found.accuracy:.3f}; AUC {found.auc:.3f}; TAR at FAR 0.01 {found.tar_at_far[0.01]:.3f}"
    )


if __name__ == "__main__":
    main()
