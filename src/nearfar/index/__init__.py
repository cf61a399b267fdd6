"""Search: an index of embeddings that finds, matches, and saves to open files."""

from .embedding_index import EmbeddingIndex

__all__ = ["EmbeddingIndex"]
