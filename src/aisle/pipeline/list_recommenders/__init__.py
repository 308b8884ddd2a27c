"""What models of lists serve as: a recommender reads a history and scores all items; plain arrays, no torch."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.errors import BundleError
from aisle.pipeline.list_recommenders.folded_factors import FoldedFactors
from aisle.pipeline.list_recommenders.history_network import HistoryLayer, HistoryNetwork
from aisle.pipeline.list_recommenders.item_votes import ItemVotes
from aisle.pipeline.list_recommenders.linear import LinearRecommender
from aisle.pipeline.list_recommenders.session_neighbours import SessionNeighbours
from aisle.pipeline.list_recommenders.user_neighbours import UserNeighbours


class HistoryRecommender(Protocol):
    """Scores all items for a history, whoever asks, and can be saved."""

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


#: By the name in a bundle.
RECOMMENDERS: dict[str, type[HistoryRecommender]] = {
    "folded-factors": FoldedFactors,
    "history-network": HistoryNetwork,
    "item-votes": ItemVotes,
    "linear": LinearRecommender,
    "session-neighbours": SessionNeighbours,
    "user-neighbours": UserNeighbours,
}


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
    "FoldedFactors",
    "HistoryLayer",
    "HistoryNetwork",
    "HistoryRecommender",
    "ItemVotes",
    "LinearRecommender",
    "SessionNeighbours",
    "UserNeighbours",
    "recommender_kind",
    "recommender_name",
]
