"""The recommender of networks that read a user, an item and an encoded history together.

Legend of shapes: R questions, V items, X context, H outputs of the first layer.
"""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.pair_network import PairNetwork
from aisle.pipeline.sequence_encoder import SequenceEncoder


class HistoryEncoder(Protocol):
    """Makes a context of a history."""

    def queries(self, histories: ItemLists) -> NDArray[np.float32]:
        """The context of each history [R, X]."""
        ...

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write what :class:`aisle.pipeline.sequence_encoder.SequenceEncoder` reads."""
        ...


class ContextNetwork:
    """A pair network whose first layer also reads a context.

    Args:
        pairs: Of users and items.
        encoder: Of histories.
        context_XH: Weights of the context in the first layer.
    """

    reads_history = True

    def __init__(self, pairs: PairNetwork, encoder: HistoryEncoder, context_XH: NDArray[np.float32]) -> None:
        self.pairs = pairs
        self.encoder = encoder
        self.context_XH = context_XH

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V]; where questions name candidates, only theirs, and the least number for all others."""
        return self.pairs.score(questions, self.encoder.queries(questions.histories) @ self.context_XH)

    def of_users(self, users_N: NDArray[np.int64]) -> ContextNetwork:
        """The same, which knows these users alone, in this order."""
        return ContextNetwork(self.pairs.of_users(users_N), self.encoder, self.context_XH)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write all parts into a folder of a bundle."""
        self.pairs.save(writer, f"{folder}/pairs")
        self.encoder.save(writer, f"{folder}/context")
        writer.write_arrays(f"{folder}/weights", {"context": self.context_XH})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what :meth:`save` wrote."""
        encoder = SequenceEncoder.load(bundle, f"{folder}/context")
        pairs = PairNetwork.load(bundle, f"{folder}/pairs")
        return cls(pairs, encoder, bundle.read_arrays(f"{folder}/weights")["context"])
