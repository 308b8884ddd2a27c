"""Retrieval models that bring queries and items into one space: an inner product is the score."""

from aisle.models.embedding_retrieval.two_tower import TwoTower

__all__ = ["TwoTower"]
