"""Recipe 3: torch's two triplet losses, the tightness term that torch has not, and how hard each triplet is.

python examples/torch_triplet_losses.py
"""

import torch

import nearfar.torch
from nearfar.mining import triplet_difficulty


def largest_difference(x, y):
    """Chebyshev distance, row by row."""
    return (x - y).abs().amax(dim=1)


def main() -> None:
    torch.manual_seed(20)
    anchors, positives, negatives = (torch.randn(100, 128) for _ in range(3))
    rows = anchors, positives, negatives
    pairs = [
        (torch.nn.TripletMarginLoss(margin=1.0, p=2), nearfar.torch.TripletMarginLoss(margin=1.0, p=2)),
        (
            torch.nn.TripletMarginWithDistanceLoss(distance_function=largest_difference, margin=1.5),
            nearfar.torch.TripletMarginLoss(distance=largest_difference, margin=1.5),
        ),
        (
            torch.nn.TripletMarginWithDistanceLoss(
                distance_function=lambda x, y: 1 - torch.nn.functional.cosine_similarity(x, y)
            ),
            nearfar.torch.TripletMarginLoss(distance="cosine"),
        ),
    ]
    for theirs, ours in pairs:
        print(f"torch {theirs(*rows).item():.7f}  nearfar {ours(*rows).item():.7f}")
        torch.testing.assert_close(ours(*rows), theirs(*rows))
    tight = nearfar.torch.TripletMarginLoss(tightness=0.01)(*rows)
    print(f"with tightness 0.01: {tight.item():.4f}")
    easy, semihard, hard = torch.bincount(triplet_difficulty(*rows, margin=1.0), minlength=3).tolist()
    print(f"of {len(anchors)} triplets {easy} are easy, {semihard} semi-hard, {hard} hard")


if __name__ == "__main__":
    main()
