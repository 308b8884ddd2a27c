"""Retrieve, filter, rank, rerank: one piece of code for training, evaluation, the shell and the server."""

from aisle.pipeline.blend import Blend, Merged, merge
from aisle.pipeline.catalogue import Catalogue
from aisle.pipeline.pipeline import Pipeline, Ranked
from aisle.pipeline.placement import LatestRule, NewcomerRule, Placement
from aisle.pipeline.query import Query
from aisle.pipeline.recommender import Recommender, RecommenderSettings
from aisle.pipeline.request import (
    PLACEMENTS,
    Answer,
    ItemFilter,
    PriceRange,
    RecommendationRequest,
    Recommended,
    RepeatPolicy,
    SourceShare,
)

__all__ = [
    "PLACEMENTS",
    "Answer",
    "Blend",
    "Catalogue",
    "ItemFilter",
    "LatestRule",
    "Merged",
    "NewcomerRule",
    "Pipeline",
    "Placement",
    "PriceRange",
    "Query",
    "Ranked",
    "RecommendationRequest",
    "Recommended",
    "Recommender",
    "RecommenderSettings",
    "RepeatPolicy",
    "SourceShare",
    "merge",
]
