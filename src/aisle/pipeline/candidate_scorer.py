"""A model that reads a history once for each candidate, in serving: an exported graph, and item vectors.

Legend of shapes: R histories, T places, K candidates of a block, N item rows, V items, D width.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import PADDING, ItemLists
from aisle.data.questions import Questions
from aisle.errors import BundleError
from aisle.pipeline.onnx_session import open_session

HISTORY_INPUT, SIZE_INPUT, CANDIDATES_INPUT, SCORES_OUTPUT = "history", "size", "candidates", "scores"
#: So few that what a network makes of them and a history stays in a cache.
CANDIDATES_AT_ONCE = 256


class CandidateScorer:
    """Scores of items behind histories; needs no torch, and is safe to share among threads.

    Args:
        graph: ONNX: ``history`` [T, D], its ``size`` [1] and ``candidates`` [K, D] to ``scores`` [K], for any K from 2
            on and any T from 2 on, or for one T alone.
        vectors_VD: What stands for each item, read or asked for.
        max_length: Of a history only the last so many items are read.
    """

    def __init__(self, graph: bytes, vectors_VD: NDArray[np.float32], max_length: int) -> None:
        self.graph = graph
        self._session = open_session(graph)
        (history,) = (one for one in self._session.get_inputs() if one.name == HISTORY_INPUT)
        self._length: int | None = history.shape[0] if isinstance(history.shape[0], int) else None
        self.vectors_VD = vectors_VD
        self.max_length = max_length

    @property
    def known_V(self) -> NDArray[np.bool_]:
        """Which items it has a vector of."""
        known_V: NDArray[np.bool_] = np.any(self.vectors_VD, axis=1)
        return known_V

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V]; an empty history scores all items 0."""
        items_V = np.arange(len(self.vectors_VD))
        scores_RV = np.zeros((len(questions), len(items_V)), np.float32)
        for row in np.flatnonzero(questions.histories.sizes_R > 0).tolist():
            scores_RV[row] = self.scores_of(questions.histories.take(slice(row, row + 1)), items_V)
        return scores_RV

    def scores_of(self, history: ItemLists, rows_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The scores [N] of item rows behind one history that is not empty, a block of them at a time."""
        size = min(int(history.sizes_R[0]), self.max_length)
        items_T = history.padded(self._length or max(2, size))[0]
        history_TD = self.vectors_VD[np.where(items_T == PADDING, 0, items_T)]
        feeds = {HISTORY_INPUT: history_TD, SIZE_INPUT: np.array([size], np.int64)}
        scores_N = np.empty(len(rows_N), np.float32)
        for start in range(0, len(rows_N), CANDIDATES_AT_ONCE):
            block = slice(start, start + CANDIDATES_AT_ONCE)
            candidates_KD = self.vectors_VD[rows_N[block]]
            num_candidates = len(candidates_KD)
            if num_candidates == 1:  # the exporter takes 1 for a constant
                candidates_KD = np.repeat(candidates_KD, 2, axis=0)
            scores_K = self._session.run([SCORES_OUTPUT], {**feeds, CANDIDATES_INPUT: candidates_KD})[0]
            scores_N[block] = scores_K[:num_candidates]
        return scores_N

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the files that :meth:`load` reads."""
        writer.write_bytes(f"{folder}/scorer.onnx", self.graph)
        writer.write_arrays(f"{folder}/items", {"vectors": self.vectors_VD})
        writer.write_json(f"{folder}/scorer", {"max_length": self.max_length})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what was saved.

        Raises:
            BundleError: a part is missing or not as expected.
        """
        document: dict[str, Any] = bundle.read_json(f"{folder}/scorer")
        try:
            vectors_VD = bundle.read_arrays(f"{folder}/items")["vectors"]
            return cls(bundle.read_bytes(f"{folder}/scorer.onnx"), vectors_VD, document["max_length"])
        except KeyError as error:
            raise BundleError(f"{folder}/scorer: expected the key {error}; train again with this version") from error
