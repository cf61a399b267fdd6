"""Which samples to train on: class-balanced batches, and pairs and triplets chosen beforehand."""

from .batches import ClassBalancedSampler
from .mined import mine_triplets
from .partial import sample_classes
from .tuples import sample_pairs, sample_triplets

__all__ = ["ClassBalancedSampler", "mine_triplets", "sample_classes", "sample_pairs", "sample_triplets"]
