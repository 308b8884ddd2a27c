"""What models of lists serve as: a recommender reads a history and scores all items; plain arrays, no torch."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.errors import BundleError
from aisle.pipeline.list_recommenders.attentive_histories import AttentiveHistories
from aisle.pipeline.list_recommenders.context_network import ContextNetwork
from aisle.pipeline.list_recommenders.folded_factors import FoldedFactors
from aisle.pipeline.list_recommenders.graph_factors import GraphFactors
from aisle.pipeline.list_recommenders.history_network import HistoryLayer, HistoryNetwork
from aisle.pipeline.list_recommenders.item_votes import ItemVotes
from aisle.pipeline.list_recommenders.linear import LinearRecommender
from aisle.pipeline.list_recommenders.pair_network import PairNetwork
from aisle.pipeline.list_recommenders.session_neighbours import SessionNeighbours
from aisle.pipeline.list_recommenders.user_factors import UserFactors
from aisle.pipeline.list_recommenders.user_neighbours import UserNeighbours


class HistoryRecommender(Protocol):
    """Scores all items for a history, and can be saved."""

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V] of all items."""
        ...

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write what was fitted below a folder of a bundle."""
        ...

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what was written."""
        ...


@runtime_checkable
class UserRecommender(HistoryRecommender, Protocol):
    """Scores all items, as logits, for users that it has vectors of.

    Attributes:
        reads_history: Whether the history counts too, so that one whom it does not know can be answered from it.
    """

    reads_history: bool

    def of_users(self, users_N: NDArray[np.int64]) -> UserRecommender:
        """The same, which knows these users alone, in this order."""
        ...


#: By the name in a bundle: those that answer from the history, whoever asks, and those that know users.
HISTORY_RECOMMENDERS: dict[str, type[HistoryRecommender]] = {
    "folded-factors": FoldedFactors,
    "history-network": HistoryNetwork,
    "item-votes": ItemVotes,
    "linear": LinearRecommender,
    "session-neighbours": SessionNeighbours,
    "user-neighbours": UserNeighbours,
}
USER_RECOMMENDERS: dict[str, type[UserRecommender]] = {
    "attentive-histories": AttentiveHistories,
    "context-network": ContextNetwork,
    "graph-factors": GraphFactors,
    "pair-network": PairNetwork,
    "user-factors": UserFactors,
}
RECOMMENDERS: dict[str, type[HistoryRecommender]] = {**HISTORY_RECOMMENDERS, **USER_RECOMMENDERS}


def recommender_name(recommender: HistoryRecommender) -> str:
    """The name of a recommender's kind, by which it is read again."""
    return next(name for name, kind in RECOMMENDERS.items() if type(recommender) is kind)


def recommender_kind(name: str) -> type[HistoryRecommender]:
    """The class of a kind named in a bundle.

    Raises:
        BundleError: this version of Aisle does not know the kind.
    """
    if name not in RECOMMENDERS:
        raise BundleError(f"expected a recommender of {', '.join(RECOMMENDERS)}, received {name!r}; upgrade Aisle")
    return RECOMMENDERS[name]


__all__ = [
    "RECOMMENDERS",
    "USER_RECOMMENDERS",
    "AttentiveHistories",
    "ContextNetwork",
    "FoldedFactors",
    "GraphFactors",
    "HistoryLayer",
    "HistoryNetwork",
    "HistoryRecommender",
    "ItemVotes",
    "LinearRecommender",
    "PairNetwork",
    "SessionNeighbours",
    "UserFactors",
    "UserNeighbours",
    "UserRecommender",
    "recommender_kind",
    "recommender_name",
]
