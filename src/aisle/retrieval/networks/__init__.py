"""What trained networks of users and items are served as: plain arrays, no torch."""

from aisle.pipeline.list_recommenders.history_network import HistoryLayer, HistoryNetwork
from aisle.retrieval.networks.attentive_histories import AttentiveHistories
from aisle.retrieval.networks.context_network import ContextNetwork
from aisle.retrieval.networks.pair_network import PairNetwork

__all__ = ["AttentiveHistories", "ContextNetwork", "HistoryLayer", "HistoryNetwork", "PairNetwork"]
