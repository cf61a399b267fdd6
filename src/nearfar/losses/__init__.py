"""The catalogue of losses: functions of embeddings and labels (or of explicit pairs and triplets), for any framework."""

from .contrastive import contrastive_loss, pair_contrastive_loss
from .similarity import circle_loss, multi_similarity_loss
from .softmax import supcon_loss
from .triplet import triplet_loss, triplet_margin_loss

__all__ = [
    "circle_loss",
    "contrastive_loss",
    "multi_similarity_loss",
    "pair_contrastive_loss",
    "supcon_loss",
    "triplet_loss",
    "triplet_margin_loss",
]
