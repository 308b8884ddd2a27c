"""DIN over lists: a history, weighted by how each item of it bears on the candidate.

Reference: Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018.
Deviations: those of :mod:`aisle.models.ranking.din`; it learns to tell the next item from others instead of clicks.

Legend of shapes: B histories, T places, K candidates of each, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aisle.models.sequential.candidate_model import CandidateModel
from aisle.nn.attention import TargetAttention


class ListDIN(CandidateModel):
    """Target attention over a history; it knows no order.

    Args:
        num_items: Items.
        dim: D.
        attention_layers: Hidden sizes of the activation unit.
        generator: Draws the first weights.
        **frame: See :class:`~aisle.models.sequential.candidate_model.CandidateModel`.
    """

    def __init__(
        self, num_items: int, dim: int, *, attention_layers: Sequence[int], generator: torch.Generator, **frame: Any
    ) -> None:
        super().__init__(num_items, dim, generator=generator, **frame)
        self.attention = TargetAttention(dim, attention_layers, generator=generator)

    def interest(self, candidate_BKD: Tensor, history_BTD: Tensor, back_BT: Tensor) -> Tensor:
        """The weighted sum of the history [B, K, D]."""
        return self.attention.of_candidates(candidate_BKD, history_BTD, (back_BT > 0).to(history_BTD.dtype))
