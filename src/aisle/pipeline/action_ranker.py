"""A ranker of actions in serving: an exported graph says what a person will do with each of many candidates.

Legend of shapes: R histories, B histories at once, T positions, K candidates, A actions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.action_lists import ActionLists
from aisle.data.item_lists import PADDING
from aisle.errors import BundleError
from aisle.pipeline.onnx_session import open_session

ITEMS_INPUT, ACTIONS_INPUT, CANDIDATES_INPUT, SIZES_INPUT = "items", "actions", "candidates", "sizes"
LOGITS_OUTPUT = "logits"
_AT_ONCE = 64

_Rows = NDArray[np.int64]
#: From histories [B, T], what was done [B, T], candidates [B, K] and the histories' lengths [B] to logits [B, K, A].
ScoreBlock = Callable[[_Rows, _Rows, _Rows, _Rows], NDArray[np.float32]]


class ActionRanker:
    """Logits of each action with candidates; needs no torch, and is safe to share among threads.

    Args:
        graph: ONNX, see :data:`ScoreBlock`. Each history is passed through once, for all its candidates.
        max_length: Of a history and the candidate behind it only the last so many items are read.
    """

    def __init__(self, graph: bytes, max_length: int) -> None:
        self.graph = graph
        self.max_length = max_length
        self._session = open_session(graph)

    def logits(self, histories: ActionLists, candidates_RK: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The logits [R, K, A] of each action with each candidate, would it come next; a history may be empty."""
        if not len(histories):
            num_actions = self._session.get_outputs()[0].shape[2]
            return np.zeros((*candidates_RK.shape, num_actions), np.float32)
        return score_in_blocks(self._run, histories, candidates_RK, self.max_length)

    def _run(self, items_BT: _Rows, actions_BT: _Rows, candidates_BK: _Rows, sizes_B: _Rows) -> NDArray[np.float32]:
        num_candidates = candidates_BK.shape[1]
        if num_candidates == 1:  # the exporter takes 1 for a constant
            candidates_BK = np.repeat(candidates_BK, 2, axis=1)
        names = (ITEMS_INPUT, ACTIONS_INPUT, CANDIDATES_INPUT, SIZES_INPUT)
        feeds = dict(zip(names, (items_BT, actions_BT, candidates_BK, sizes_B), strict=True))
        logits_BKA: NDArray[np.float32] = self._session.run([LOGITS_OUTPUT], feeds)[0]
        return logits_BKA[:, :num_candidates]

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the files that :meth:`load` reads."""
        writer.write_bytes(f"{folder}/ranker.onnx", self.graph)
        writer.write_json(f"{folder}/ranker", {"max_length": self.max_length})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what was saved.

        Raises:
            BundleError: a part is missing or not as expected.
        """
        document: dict[str, Any] = bundle.read_json(f"{folder}/ranker")
        try:
            return cls(bundle.read_bytes(f"{folder}/ranker.onnx"), document["max_length"])
        except KeyError as error:
            raise BundleError(f"{folder}/ranker: expected the key {error}; train again with this version") from error


def score_in_blocks(
    score: ScoreBlock, histories: ActionLists, candidates_RK: NDArray[np.integer[Any]], max_length: int
) -> NDArray[np.float32]:
    """The logits [R, K, A] of candidates behind histories, few histories at a time.

    Args:
        score: Scores a block, whose histories are padded to 2 items at least; an action of -1 is none.
        histories: R of them, at least one.
        candidates_RK: Item rows.
        max_length: Only the last ``max_length - 1`` items of a history are read.
    """
    parts = []
    for start in range(0, len(histories), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        known = histories.take(rows).last(max_length - 1)
        length = max(2, int(known.sizes_R.max()))
        items_BT = np.maximum(known.items.padded(length), PADDING + 1).astype(np.int64)
        actions_BT = known.actions.padded(length).astype(np.int64)
        parts.append(score(items_BT, actions_BT, candidates_RK[rows].astype(np.int64), known.sizes_R))
    return np.concatenate(parts)
