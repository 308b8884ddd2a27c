"""Collaborative filtering over lists of items: neighbours, linear models and factors, fitted without gradients."""

from aisle.pipeline.list_recommenders.folded_factors import FoldedFactors
from aisle.pipeline.list_recommenders.linear import LinearRecommender
from aisle.pipeline.list_recommenders.user_factors import UserFactors
from aisle.pipeline.list_recommenders.user_neighbours import UserNeighbours
from aisle.retrieval.collaborative.ease import fit_list_ease
from aisle.retrieval.collaborative.explicit_svd import RatingFactors, fit_explicit_svd
from aisle.retrieval.collaborative.factorization import fit_bpr, fit_implicit_als
from aisle.retrieval.collaborative.graph_filter import fit_graph_filter
from aisle.retrieval.collaborative.item_knn import fit_item_knn
from aisle.retrieval.collaborative.pure_svd import fit_pure_svd
from aisle.retrieval.collaborative.user_knn import fit_user_knn

__all__ = [
    "FoldedFactors",
    "LinearRecommender",
    "RatingFactors",
    "UserFactors",
    "UserNeighbours",
    "fit_bpr",
    "fit_explicit_svd",
    "fit_graph_filter",
    "fit_implicit_als",
    "fit_item_knn",
    "fit_list_ease",
    "fit_pure_svd",
    "fit_user_knn",
]
