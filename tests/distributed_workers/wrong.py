"""A loss that one process cannot compute."""

import os

from nearfar.losses import supcon_loss


def loss(embeddings, labels):
    if os.environ["RANK"] == "1":
        raise ArithmeticError("a loss of my own is wrong")
    return supcon_loss(embeddings, labels)
