"""How good are embeddings? Retrieval, verification and clustering, from arrays of any framework."""

from .clustering import Clustering, clustering
from .retrieval import Retrieval, retrieval
from .verification import Verification, verification

__all__ = ["Clustering", "Retrieval", "Verification", "clustering", "retrieval", "verification"]
