"""Training of a ranker of actions: at every item the action with it is told; exported, it scores many candidates.

Legend of shapes: B sequences of a batch, T positions, K candidates, A actions, P pieces of lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.data.action_lists import ActionLists, ActionSplit
from aisle.data.item_lists import PADDING
from aisle.models.sequential.hstu_ranker import HSTURanker
from aisle.pipeline.action_ranker import (
    ACTIONS_INPUT,
    CANDIDATES_INPUT,
    ITEMS_INPUT,
    LOGITS_OUTPUT,
    SIZES_INPUT,
    ActionRanker,
    score_in_blocks,
)
from aisle.recipe.actions import HstuRankerSpec
from aisle.train.lists.list_batches import similar_lengths
from aisle.train.onnx_export import export_onnx


@dataclass(frozen=True)
class ActionBatch:
    """Item rows and actions [B, T], -1 behind each sequence."""

    items_BT: Tensor
    actions_BT: Tensor


class NextActionTrainee:
    """A ranker with the lists that it learns from; see :class:`aisle.train.lists.trainee.Learner`.

    Args:
        model: The network.
        lists: The training lists; long ones are cut into pieces, so that all of them teaches.
        max_length: The longest piece.
        batch_size: Pieces of a step.
        seed: Orders the pieces.
    """

    def __init__(self, model: HSTURanker, lists: ActionLists, *, max_length: int, batch_size: int, seed: int) -> None:
        self.network = model
        self._max_length, self._batch_size, self._seed = max_length, batch_size, seed
        self._pieces = lists.pieces(max_length)
        self.num_batches = -(-len(self._pieces) // batch_size)

    def epoch(self, number: int) -> Iterator[ActionBatch]:
        """Batches of pieces of similar lengths, in an order of chance."""
        generator = np.random.default_rng([self._seed, number])
        for rows_B in similar_lengths(self._pieces.sizes_R, self._batch_size, generator):
            part = self._pieces.take(rows_B)
            length = int(part.sizes_R.max())
            items_BT, actions_BT = (
                torch.from_numpy(one.padded(length).astype(np.int64)) for one in (part.items, part.actions)
            )
            yield ActionBatch(items_BT, actions_BT)

    def loss(self, batch: ActionBatch) -> Tensor:
        """The mean cross-entropy of the actions over all items."""
        logits_BTA = self.network(batch.items_BT, batch.actions_BT)
        return functional.cross_entropy(
            logits_BTA.flatten(0, 1).float(), batch.actions_BT.flatten(), ignore_index=PADDING
        )

    def recommender(self) -> TorchActionRanker:
        """Scores by the network itself."""
        return TorchActionRanker(self.network, self._max_length)


class TorchActionRanker:
    """Scores by a network, while it is trained; see :class:`aisle.pipeline.action_ranker.ActionRanker`."""

    def __init__(self, model: HSTURanker, max_length: int) -> None:
        self._model = model
        self.max_length = max_length

    def logits(self, histories: ActionLists, candidates_RK: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The logits [R, K, A] of each action with each candidate, would it come next."""
        return score_in_blocks(self._score, histories, candidates_RK, self.max_length)

    def exported(self) -> ActionRanker:
        """The ranker as it serves, without torch."""
        histories, length = torch.export.Dim("histories", min=1), torch.export.Dim("length", max=self.max_length - 1)
        candidates = torch.export.Dim("candidates", min=2)
        # Three tensors: of one that stands twice the exporter would make one input.
        items_BT, actions_BT, rows_BK = (torch.zeros(2, size, dtype=torch.int64) for size in (3, 3, 4))
        graph = export_onnx(
            _Candidates(self._model),
            (items_BT, actions_BT, rows_BK, torch.tensor([3, 1])),
            input_names=[ITEMS_INPUT, ACTIONS_INPUT, CANDIDATES_INPUT, SIZES_INPUT],
            output_name=LOGITS_OUTPUT,
            dynamic_shapes=(
                {0: histories, 1: length},
                {0: histories, 1: length},
                {0: histories, 1: candidates},
                {0: histories},
            ),
        )
        return ActionRanker(graph, self.max_length)

    def _score(self, *rows: NDArray[np.int64]) -> NDArray[np.float32]:
        self._model.eval()
        with torch.inference_mode():
            logits_BKA: NDArray[np.float32] = self._model.score_candidates(*map(torch.from_numpy, rows)).numpy()
        return logits_BKA


def build_hstu_ranker(spec: HstuRankerSpec, split: ActionSplit, *, seed: int = 0) -> NextActionTrainee:
    """HSTU over the items and actions of the training lists."""
    model = HSTURanker(
        len(split.item_ids),
        len(split.actions),
        spec.dim,
        max_items=spec.max_length,
        num_layers=spec.num_layers,
        num_heads=spec.num_heads,
        dropout=spec.dropout,
        generator=torch.Generator().manual_seed(seed),
    )
    return NextActionTrainee(model, split.train, max_length=spec.max_length, batch_size=spec.batch_size, seed=seed)


class _Candidates(nn.Module):
    """Each history once, and all candidates behind it (M-FALCON in one micro-batch)."""

    def __init__(self, model: HSTURanker) -> None:
        super().__init__()
        self.model = model

    def forward(self, items_BT: Tensor, actions_BT: Tensor, candidates_BK: Tensor, sizes_B: Tensor) -> Tensor:
        return self.model.extend(candidates_BK, self.model.remember(items_BT, actions_BT), sizes_B)
