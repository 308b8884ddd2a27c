"""Models: one paper, one file. A model knows no optimizer, path or device; its tables are injected."""

from aisle.models.protocols import MultiTaskRanker, Ranker

__all__ = ["MultiTaskRanker", "Ranker"]
