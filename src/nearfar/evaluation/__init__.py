"""How good are embeddings? Retrieval, verification, clustering and geometry, from arrays of any framework."""

from .clustering import Clustering, clustering
from .comparison import Comparison, compare
from .geometry import Geometry, geometry
from .retrieval import Retrieval, retrieval
from .verification import Verification, verification

__all__ = [
    "Clustering",
    "Comparison",
    "Geometry",
    "Retrieval",
    "Verification",
    "clustering",
    "compare",
    "geometry",
    "retrieval",
    "verification",
]
