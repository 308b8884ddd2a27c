"""A model of sequences in serving: an exported encoder says what it expects next, item vectors are compared with it.

Legend of shapes: R histories, B histories at once, T positions, D width of inputs, E width of queries, V items, N item
rows, A actions, G buckets of gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import PADDING, ItemLists, time_gaps
from aisle.data.questions import Questions
from aisle.errors import BundleError
from aisle.pipeline.onnx_session import open_session

EMBEDDED_INPUT, LAST_INPUT, TIMES_INPUT, QUERIES_OUTPUT = "embedded", "last", "times", "queries"
_AT_ONCE = 256


@dataclass(frozen=True)
class EventVectors:
    """What is added to the item of an event; each is missing where the model does not read it.

    Attributes:
        actions_AD: By the row of the action; others add nothing.
        gaps_GD: By the bucket of the time since the event before, see :func:`aisle.data.item_lists.time_gaps`.
    """

    actions_AD: NDArray[np.float32] | None = None
    gaps_GD: NDArray[np.float32] | None = None

    def beside(self, embedded_BTD: NDArray[np.float32], histories: ItemLists) -> NDArray[np.float32]:
        """The embedded items [B, T, D], with what is known of their events."""
        length = embedded_BTD.shape[1]
        if self.actions_AD is not None:
            actions_BT = histories.padded_actions(length)
            embedded_BTD = embedded_BTD + self.actions_AD[np.maximum(actions_BT, 0)] * (actions_BT >= 0)[:, :, None]
        if self.gaps_GD is not None:
            embedded_BTD = embedded_BTD + self.gaps_GD[time_gaps(histories.padded_times(length))]
        return embedded_BTD


class SequenceEncoder:
    """Queries of histories, and scores of all items; needs no torch, and is safe to share among threads.

    Args:
        graph: ONNX: ``embedded`` [B, T, D] and ``last`` [B], the position that asks, to ``queries`` [B, E]; it may also
            read ``times`` [B, T], the seconds of events.
        inputs_VD: What stands for each item in a history.
        vectors_VE: What queries are compared with.
        max_length: Of a history only the last so many items are read.
        events: What else is read of a history; missing: nothing.
    """

    def __init__(
        self,
        graph: bytes,
        inputs_VD: NDArray[np.float32],
        vectors_VE: NDArray[np.float32],
        max_length: int,
        events: EventVectors | None = None,
    ) -> None:
        self.graph = graph
        self._session = open_session(graph)
        self._reads_times = any(one.name == TIMES_INPUT for one in self._session.get_inputs())
        self.events = EventVectors() if events is None else events
        self.inputs_VD = inputs_VD
        self.vectors_VE = vectors_VE
        self.max_length = max_length

    def queries(self, histories: ItemLists) -> NDArray[np.float32]:
        """The query of each history [R, E]; that of an empty one is 0.

        Raises:
            DataError: the model reads actions or times, and the histories do not know them.
        """
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

    @property
    def known_V(self) -> NDArray[np.bool_]:
        """Which items it has a vector of."""
        known_V: NDArray[np.bool_] = np.any(self.vectors_VE, axis=1)
        return known_V

    def scores_of(self, history: ItemLists, rows_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The scores [N] of item rows behind one history."""
        scores_N: NDArray[np.float32] = self.vectors_VE[rows_N] @ self.queries(history)[0]
        return scores_N

    def _encode(self, histories: ItemLists) -> NDArray[np.float32]:
        sizes_B = np.minimum(histories.sizes_R, self.max_length)
        padded_BT = histories.padded(max(2, int(sizes_B.max())))  # the exporter takes 1 for a constant
        embedded_BTD = self.inputs_VD[np.where(padded_BT == PADDING, 0, padded_BT)]
        embedded_BTD = self.events.beside(embedded_BTD, histories)
        feeds = {EMBEDDED_INPUT: embedded_BTD, LAST_INPUT: (sizes_B - 1).astype(np.int64)}
        if self._reads_times:
            feeds[TIMES_INPUT] = histories.padded_times(padded_BT.shape[1])
        result: NDArray[np.float32] = self._session.run([QUERIES_OUTPUT], feeds)[0]
        return result

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the files that :meth:`load` reads."""
        writer.write_bytes(f"{folder}/encoder.onnx", self.graph)
        arrays = {"inputs": self.inputs_VD, "vectors": self.vectors_VE}
        events = {"actions": self.events.actions_AD, "gaps": self.events.gaps_GD}
        arrays |= {name: array for name, array in events.items() if array is not None}
        writer.write_arrays(f"{folder}/items", arrays)
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
            events = EventVectors(arrays.get("actions"), arrays.get("gaps"))
            return cls(graph, arrays["inputs"], arrays["vectors"], document["max_length"], events)
        except KeyError as error:
            raise BundleError(f"{folder}/encoder: expected the key {error}; train again with this version") from error
