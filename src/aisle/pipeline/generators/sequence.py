"""Items that a model of sequences expects next, given the visitor's history in its order.

Legend of shapes: V item rows, k candidates, n profile entries, N items of a history, K known items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.pipeline.action_items import ActionItemScorer
from aisle.pipeline.candidate_scorer import CandidateScorer
from aisle.pipeline.generators.contract import Candidates, top_candidates
from aisle.pipeline.query import Query
from aisle.pipeline.sequence_encoder import SequenceEncoder

#: Keeps the score of the least likely item positive in float32: it was scored, which 0 would deny.
_LEAST_SCORE = 1e-30


class NextItemScorer(Protocol):
    """Scores items behind a history, and can be saved.

    Attributes:
        max_length: Of a history only the last so many items are read.
    """

    max_length: int

    @property
    def known_V(self) -> NDArray[np.bool_]:
        """Which items it knows."""
        ...

    def scores_of(self, history: ItemLists, rows_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The scores [N] of item rows behind one history that is not empty."""
        ...

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write what was trained below a folder of a bundle."""
        ...

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what was written."""
        ...


#: By the name in a bundle: one query for all items, the history read anew for each, or what was done read too.
SCORERS: dict[str, type[NextItemScorer]] = {
    "actions": ActionItemScorer,
    "candidates": CandidateScorer,
    "encoder": SequenceEncoder,
}


class SequenceGenerator:
    """The most likely next items; an item's score is its probability among the fitted items.

    Every item that the model knows has a score (``scores_V``), so that other sources' candidates are scored too.

    Args:
        name: The source's name in answers.
        scorer: Says what is expected next. Items that it does not know are neither read in a history nor proposed.
        temperature: Of the training: scores are divided by it before the softmax.
    """

    kind = "sequence"

    def __init__(self, name: str, scorer: NextItemScorer, *, temperature: float) -> None:
        self.name = name
        self.scorer = scorer
        self._temperature = temperature
        self._known_V = scorer.known_V

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The items that are most likely next."""
        history = self._history(query)
        if not len(history.items_E):
            return Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))
        scores_V = np.zeros(query.num_rows, np.float32)
        known_K = np.flatnonzero(self._known_V[: query.num_rows])
        logits_K = self.scorer.scores_of(history, known_K) / self._temperature
        odds_K = np.exp(logits_K - logits_K.max())
        scores_V[known_K] = np.maximum(odds_K / odds_K.sum(), _LEAST_SCORE)
        return top_candidates(scores_V, k, eligible_V)

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """Names the latest other item of the history: the model goes on from there."""
        history_N = self._history(query).items_E
        others_N = history_N[history_N != row]
        return ("Often comes after {item}", int(others_N[-1])) if len(others_N) else ("Often comes again", None)

    def _history(self, query: Query) -> ItemLists:
        """The last items that the model knows, each once where it came several times in a row; and what was taken."""
        is_known_n = query.rows_n < len(self._known_V)
        is_known_n[is_known_n] = self._known_V[query.rows_n[is_known_n]]
        rows_n = query.rows_n[is_known_n]
        first_N = np.flatnonzero(np.diff(rows_n, prepend=-1))
        taken_N = np.logical_or.reduceat(query.taken_n[is_known_n], first_N) if len(first_N) else np.zeros(0, np.bool_)
        history = replace(ItemLists.of([rows_n[first_N]]), actions_E=taken_N.astype(np.int32))
        return history.last(self.scorer.max_length)

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the scorer."""
        folder = f"generators/{self.name}"
        self.scorer.save(writer, folder)
        (scorer,) = (name for name, kind in SCORERS.items() if isinstance(self.scorer, kind))
        return {"folder": folder, "temperature": self._temperature, "scorer": scorer}

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read what was saved; the vectors are memory-mapped."""
        scorer = SCORERS[parameters.get("scorer", "encoder")].load(bundle, parameters["folder"])
        return cls(name, scorer, temperature=parameters["temperature"])
