"""A model of sequences in serving: an exported encoder says what it expects next, item vectors are compared with it.

Legend of shapes: R histories, B histories at once, T positions, D width of inputs, E width of queries, V items.
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

EMBEDDED_INPUT, LAST_INPUT, QUERIES_OUTPUT = "embedded", "last", "queries"
_AT_ONCE = 256


class SequenceEncoder:
    """Queries of histories, and scores of all items; needs no torch, and is safe to share among threads.

    Args:
        graph: ONNX: ``embedded`` [B, T, D] and ``last`` [B], the position that asks, to ``queries`` [B, E].
        inputs_VD: What stands for each item in a history.
        vectors_VE: What queries are compared with.
        max_length: Of a history only the last so many items are read.
    """

    def __init__(
        self, graph: bytes, inputs_VD: NDArray[np.float32], vectors_VE: NDArray[np.float32], max_length: int
    ) -> None:
        self.graph = graph
        self._session = open_session(graph)
        self.inputs_VD = inputs_VD
        self.vectors_VE = vectors_VE
        self.max_length = max_length

    def queries(self, histories: ItemLists) -> NDArray[np.float32]:
        """The query of each history [R, E]; that of an empty one is 0."""
        queries_RE = np.zeros((len(histories), self.vectors_VE.shape[1]), np.float32)
        asking_R = np.flatnonzero(histories.sizes_R > 0)
        for start in range(0, len(asking_R), _AT_ONCE):
            rows_B = asking_R[start : start + _AT_ONCE]
            queries_RE[rows_B] = self._encode(histories.take(rows_B))
        return queries_RE

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V]; an empty history scores all items 0."""
        scores_RV: NDArray[np.float32] = self.queries(questions.histories) @ self.vectors_VE.T
        return scores_RV

    def _encode(self, histories: ItemLists) -> NDArray[np.float32]:
        sizes_B = np.minimum(histories.sizes_R, self.max_length)
        padded_BT = histories.padded(max(2, int(sizes_B.max())))  # the exporter takes 1 for a constant
        embedded_BTD = self.inputs_VD[np.where(padded_BT == PADDING, 0, padded_BT)]
        feeds = {EMBEDDED_INPUT: embedded_BTD, LAST_INPUT: (sizes_B - 1).astype(np.int64)}
        result: NDArray[np.float32] = self._session.run([QUERIES_OUTPUT], feeds)[0]
        return result

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the files that :meth:`load` reads."""
        writer.write_bytes(f"{folder}/encoder.onnx", self.graph)
        writer.write_arrays(f"{folder}/items", {"inputs": self.inputs_VD, "vectors": self.vectors_VE})
        writer.write_json(f"{folder}/encoder", {"max_length": self.max_length})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what was saved.

        Raises:
            BundleError: a part is missing or not as expected.
        """
        document: dict[str, Any] = bundle.read_json(f"{folder}/encoder")
        arrays = bundle.read_arrays(f"{folder}/items")
        try:
            graph = bundle.read_bytes(f"{folder}/encoder.onnx")
            return cls(graph, arrays["inputs"], arrays["vectors"], document["max_length"])
        except KeyError as error:
            raise BundleError(f"{folder}/encoder: expected the key {error}; train again with this version") from error
