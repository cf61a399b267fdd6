"""Data for training and measuring embeddings: `load` reads every source into a training and a test part."""

from .loading import load
from .samples import DataError, DataSet, Samples

__all__ = ["DataError", "DataSet", "Samples", "load"]
