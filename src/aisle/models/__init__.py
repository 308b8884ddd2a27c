"""Models: one paper, one file. A model knows no optimizer, path or device; its tables are injected."""

from aisle.models.protocols import AuxiliaryRanker, MultiTaskRanker, Ranker

__all__ = ["AuxiliaryRanker", "MultiTaskRanker", "Ranker"]
