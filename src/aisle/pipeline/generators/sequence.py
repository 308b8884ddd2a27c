"""Items that a model of sequences expects next, given the visitor's history in its order.

Legend of shapes: V item rows, k candidates, n profile entries, N items of a history, E dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.pipeline.generators.contract import Candidates, top_candidates
from aisle.pipeline.query import Query
from aisle.pipeline.sequence_encoder import SequenceEncoder

#: Keeps the score of the least likely item positive in float32: it was scored, which 0 would deny.
_LEAST_SCORE = 1e-30


class SequenceGenerator:
    """The most likely next items; an item's score is its probability among the fitted items.

    Every item that the model knows has a score (``scores_V``), so that other sources' candidates are scored too.

    Args:
        name: The source's name in answers.
        encoder: Says what is expected next. Items whose vector is 0 are not known to it: they are neither read in a
            history nor proposed.
        temperature: Of the training: scores are divided by it before the softmax.
    """

    kind = "sequence"

    def __init__(self, name: str, encoder: SequenceEncoder, *, temperature: float) -> None:
        self.name = name
        self.encoder = encoder
        self._temperature = temperature
        self._known_V: NDArray[np.bool_] = np.any(encoder.vectors_VE, axis=1)

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The items that are most likely next."""
        history_N = self._history(query)
        if not len(history_N):
            return Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))
        query_E = self.encoder.queries(ItemLists.of([history_N]))[0]
        scores_V = np.zeros(query.num_rows, np.float32)
        known_V = self._known_V[: query.num_rows]
        logits = self.encoder.vectors_VE[: len(known_V)][known_V] @ query_E / self._temperature
        odds = np.exp(logits - logits.max())
        scores_V[: len(known_V)][known_V] = np.maximum(odds / odds.sum(), _LEAST_SCORE)
        return top_candidates(scores_V, k, eligible_V)

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """Names the latest other item of the history: the model goes on from there."""
        history_N = self._history(query)
        others_N = history_N[history_N != row]
        return ("Often comes after {item}", int(others_N[-1])) if len(others_N) else ("Often comes again", None)

    def _history(self, query: Query) -> NDArray[np.int32]:
        """The last items that the model knows, each once where it came several times in a row."""
        rows_n = query.rows_n[query.rows_n < len(self._known_V)]
        rows_n = rows_n[self._known_V[rows_n]]
        is_another_n = np.ones(len(rows_n), np.bool_)
        is_another_n[1:] = rows_n[1:] != rows_n[:-1]
        return rows_n[is_another_n][-self.encoder.max_length :]

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the encoder and the item vectors."""
        folder = f"generators/{self.name}"
        self.encoder.save(writer, folder)
        return {"folder": folder, "temperature": self._temperature}

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read what was saved; the vectors are memory-mapped."""
        encoder = SequenceEncoder.load(bundle, parameters["folder"])
        return cls(name, encoder, temperature=parameters["temperature"])
