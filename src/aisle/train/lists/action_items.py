"""Training of HSTU over items and actions in turn to tell the next item, and what is done with it.

The probability of an item and an action together is a softmax over candidates and actions. So its loss is that of the
item among other items, whose score is the log of the sum of its actions' odds, and of the action with it.

Legend of shapes: N positions of a batch, K candidates of each, A actions, V items.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from aisle.bundle import BundleWriter
from aisle.data.item_lists import PADDING, ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.errors import ConfigError
from aisle.models.sequential.hstu_ranker import HSTURanker
from aisle.pipeline.action_items import ActionItemScorer
from aisle.recipe.list_models.candidates import ListHstuRankerSpec
from aisle.train.lists.next_action import TorchActionRanker
from aisle.train.lists.positions import PositionBatch, PositionTrainee


class ActionItemTrainee(PositionTrainee):
    """HSTU with the training lists; see :class:`aisle.train.lists.trainee.Trainee`.

    Args:
        model: The network; of lists without actions it has one.
        lists: The training lists.
        num_items: V.
        spec: How it learns.
        seed: Draws positions and negatives, and orders them.
    """

    def __init__(
        self, model: HSTURanker, lists: ItemLists, num_items: int, spec: ListHstuRankerSpec, *, seed: int
    ) -> None:
        super().__init__(lists, num_items, spec, seed=seed)
        self.network = model

    def _scores(self, batch: PositionBatch, candidates_NK: Tensor) -> tuple[Tensor, Tensor | None]:
        items_NT = batch.items_NT
        actions_NT = torch.zeros_like(items_NT) if batch.actions_NT is None else batch.actions_NT
        sizes_N = (items_NT >= 0).sum(dim=1)
        logits_NKA = self.network.score_candidates(items_NT, actions_NT, candidates_NK, sizes_N).float()
        return torch.logsumexp(logits_NKA, dim=2), _loss_of_actions(logits_NKA[:, 0], batch.target_actions_N)

    def recommender(self) -> TorchActionItems:
        """Scores by the network itself."""
        return TorchActionItems(self.network)


class TorchActionItems:
    """Scores by a network, while it is trained.

    Saving exports it: what a bundle holds is an :class:`aisle.pipeline.action_items.ActionItemScorer`.
    """

    def __init__(self, model: HSTURanker) -> None:
        num_items, num_actions = len(model.items), len(model.actions)
        self._ranker = TorchActionRanker(model, len(model.positions) // 2)
        self._scorer = ActionItemScorer(self._ranker, np.ones(num_items, np.bool_), np.ones(num_actions, np.bool_))

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V], whatever is done with the item."""
        return self._scorer.score(questions)

    def exported(
        self, known_V: NDArray[np.bool_] | None = None, is_sought_A: NDArray[np.bool_] | None = None
    ) -> ActionItemScorer:
        """What serves, without torch.

        Args:
            known_V: Which items it knows; missing: all.
            is_sought_A: Which actions count; missing: all.
        """
        return ActionItemScorer(
            self._ranker.exported(),
            self._scorer.known_V if known_V is None else known_V,
            self._scorer.is_sought_A if is_sought_A is None else is_sought_A,
        )

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write what serves."""
        self.exported().save(writer, folder)


def build_action_items(spec: ListHstuRankerSpec, split: ListSplit, *, seed: int = 0) -> ActionItemTrainee:
    """HSTU over the items and, where the lists know them, the actions of the training lists.

    Raises:
        ConfigError: the heads do not divide the width.
    """
    if spec.dim % spec.num_heads:
        raise ConfigError(f"model: expected num_heads that divides the width {spec.dim}, received {spec.num_heads}")
    model = HSTURanker(
        split.num_items,
        max(len(split.actions), 1),
        spec.dim,
        max_items=spec.max_length + 1,
        num_layers=spec.num_layers,
        num_heads=spec.num_heads,
        dropout=spec.dropout,
        generator=torch.Generator().manual_seed(seed),
    )
    return ActionItemTrainee(model, split.train, split.num_items, spec, seed=seed)


def _loss_of_actions(logits_NA: Tensor, actions_N: Tensor | None) -> Tensor | None:
    """The mean cross-entropy of what was done; ``None`` where it is not known of any."""
    if actions_N is None or not bool((actions_N >= 0).any()):
        return None
    return functional.cross_entropy(logits_NA, actions_N, ignore_index=PADDING)
