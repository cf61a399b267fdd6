"""Data for training and measuring embeddings: `load` reads every source into a training and a test part."""

from .loading import load, load_all
from .samples import DataError, DataSet, Preparation, Samples

__all__ = ["DataError", "DataSet", "Preparation", "Samples", "load", "load_all"]
