"""A ranker of actions asked for items: which of them comes next, and has the sought action.

Legend of shapes: R histories, N item rows, V items, K candidates of a block, A actions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.action_lists import ActionLists
from aisle.data.item_lists import ItemLists
from aisle.data.questions import Questions
from aisle.errors import DataError
from aisle.pipeline.action_ranker import ActionRanker

#: So many candidates behind one pass over the history.
CANDIDATES_AT_ONCE = 1024


class RanksActions(Protocol):
    """Says how probable each action with each candidate is."""

    max_length: int

    def logits(self, histories: ActionLists, candidates_RK: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The logits [R, K, A]."""
        ...


class ActionItemScorer:
    """Scores of items behind histories of items and actions; safe to share among threads.

    An item's score is the log of the sum of its sought actions' odds. So a softmax over items says how probable it is
    that the item comes next with one of them, beside all others with one of them.

    Args:
        ranker: Trained to tell items and actions together.
        known_V: Which items it knows.
        is_sought_A: Which actions count.
    """

    def __init__(self, ranker: RanksActions, known_V: NDArray[np.bool_], is_sought_A: NDArray[np.bool_]) -> None:
        self.ranker = ranker
        self.known_V = known_V
        self.is_sought_A = is_sought_A
        self.max_length = ranker.max_length - 1  # a candidate stands behind the history

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V]; an empty history is answered too.

        Raises:
            DataError: the model reads actions, and the histories do not know them.
        """
        items_V = np.arange(len(self.known_V))
        histories = questions.histories
        scores_RV = np.empty((len(histories), len(items_V)), np.float32)
        for row in range(len(histories)):
            scores_RV[row] = self.scores_of(histories.take(slice(row, row + 1)), items_V)
        return scores_RV

    def scores_of(self, history: ItemLists, rows_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The scores [N] of item rows behind one history, a block of them at a time.

        Raises:
            DataError: the model reads actions, and the history does not know them.
        """
        told = self._with_actions(history)
        blocks = [rows_N[start : start + CANDIDATES_AT_ONCE] for start in range(0, len(rows_N), CANDIDATES_AT_ONCE)]
        parts = [self.ranker.logits(told, block_K[None])[0][:, self.is_sought_A] for block_K in blocks]
        return np.concatenate([_log_sum(logits_KA) for logits_KA in parts]) if parts else np.zeros(0, np.float32)

    def _with_actions(self, history: ItemLists) -> ActionLists:
        items = ItemLists(history.starts_R1, history.items_E)
        actions_E = history.actions_E
        if actions_E is None:
            if len(self.is_sought_A) > 1 and len(items.items_E):
                raise DataError("expected lists with actions, as the model was trained on, received items alone")
            actions_E = np.zeros(len(items.items_E), np.int32)
        return ActionLists(items, replace(items, items_E=actions_E))

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the graph, and which items and actions count."""
        assert isinstance(self.ranker, ActionRanker), "what serves was exported"
        self.ranker.save(writer, folder)
        writer.write_arrays(f"{folder}/items", {"known": self.known_V, "sought": self.is_sought_A})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what was saved.

        Raises:
            BundleError: a part is missing or not as expected.
        """
        arrays = bundle.read_arrays(f"{folder}/items")
        return cls(ActionRanker.load(bundle, folder), arrays["known"], arrays["sought"])


def _log_sum(logits_KA: NDArray[np.float32]) -> NDArray[np.float32]:
    greatest_K1 = logits_KA.max(axis=1, keepdims=True)
    sums_K: NDArray[np.float32] = np.log(np.exp(logits_KA - greatest_K1).sum(axis=1)) + greatest_K1[:, 0]
    return sums_K
