"""What trained networks of users and items are served as: plain arrays, no torch."""

from aisle.pipeline.list_recommenders.attentive_histories import AttentiveHistories
from aisle.pipeline.list_recommenders.context_network import ContextNetwork
from aisle.pipeline.list_recommenders.graph_factors import GraphFactors
from aisle.pipeline.list_recommenders.history_network import HistoryLayer, HistoryNetwork
from aisle.pipeline.list_recommenders.pair_network import PairNetwork

__all__ = ["AttentiveHistories", "ContextNetwork", "GraphFactors", "HistoryLayer", "HistoryNetwork", "PairNetwork"]
