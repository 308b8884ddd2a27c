"""DIEN over lists: how interest moved from item to item of the history, and where it stands for the candidate.

Reference: Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019.
Deviations: those of :mod:`aisle.models.ranking.dien`; it learns to tell the next item from others instead of clicks.

Legend of shapes: B histories, T places, K candidates of each, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aisle.models.sequential.candidate_model import CandidateModel
from aisle.nn.sequences.interest_evolution import InterestEvolution, next_place_loss
from aisle.nn.sequences.recurrent import RecurrentLayers


class ListDIEN(CandidateModel):
    """Interests from a GRU, which reads a history once, and their evolution towards each candidate.

    Args:
        num_items: Items.
        dim: D.
        auxiliary_weight: What the auxiliary loss counts beside that of the next item; 0 switches it off.
        generator: Draws the first weights.
        **frame: See :class:`~aisle.models.sequential.candidate_model.CandidateModel`.
    """

    has_fixed_length = True  # the steps of the evolution are nodes of the graph

    def __init__(
        self, num_items: int, dim: int, *, auxiliary_weight: float, generator: torch.Generator, **frame: Any
    ) -> None:
        super().__init__(num_items, dim, generator=generator, **frame)
        self.auxiliary_weight = auxiliary_weight
        self._next_place_loss: Tensor | None = None
        self.extractor = RecurrentLayers(dim, dim, cell="gru", generator=generator)
        self.evolution = InterestEvolution(dim, dim, generator=generator)

    def interest(self, candidate_BKD: Tensor, history_BTD: Tensor, back_BT: Tensor) -> Tensor:
        """The interest at the end [B, K, D]; in training the auxiliary loss is kept until it is taken."""
        interest_BTD = self.extractor(history_BTD)
        mask_BT = (back_BT > 0).to(history_BTD.dtype)
        if self.training and self.auxiliary_weight > 0:
            self._next_place_loss = next_place_loss(interest_BTD, history_BTD, mask_BT)
        return self.evolution.of_candidates(candidate_BKD, interest_BTD, mask_BT)

    def take_auxiliary_loss(self) -> Tensor | None:
        """The weighted auxiliary loss of the last call in training, once."""
        found, self._next_place_loss = self._next_place_loss, None
        return None if found is None else self.auxiliary_weight * found
