"""Nearest neighbours by inner product: one contract, an exact index and FAISS."""

from aisle.index.contract import Index
from aisle.index.exact import ExactIndex
from aisle.index.kinds import open_index

__all__ = ["ExactIndex", "Index", "open_index"]
