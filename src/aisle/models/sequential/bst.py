"""BST over lists: a history and the candidate as one sequence, through a transformer block.

Reference: Chen et al., "Behavior Sequence Transformer for E-commerce Recommendation in Alibaba", DLP-KDD 2019.
Deviations: those of :mod:`aisle.models.ranking.bst`; it learns to tell the next item from others instead of clicks;
there is one block, which the paper found best, for then a history is read once for all its candidates.

Legend of shapes: B histories, T places, K candidates of each, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aisle.models.sequential.candidate_model import CandidateModel
from aisle.nn.sequences.behavior_sequence import BehaviorSequence


class ListBST(CandidateModel):
    """A transformer block over a history and its candidate.

    Args:
        num_items: Items.
        dim: D.
        max_length: The longest history.
        num_heads: Heads of the block, a divisor of D.
        dropout: The share that training drops: of the sequence, of both halves of the block, of the MLP's values.
        generator: Draws the first weights.
        **frame: See :class:`~aisle.models.sequential.candidate_model.CandidateModel`.

    Raises:
        ValueError: ``num_heads`` does not divide D.
    """

    def __init__(
        self,
        num_items: int,
        dim: int,
        *,
        max_length: int,
        num_heads: int,
        dropout: float,
        generator: torch.Generator,
        **frame: Any,
    ) -> None:
        super().__init__(num_items, dim, max_length=max_length, dropout=dropout, generator=generator, **frame)
        self.sequence = BehaviorSequence(
            dim, num_places=max_length, num_blocks=1, num_heads=num_heads, dropout=dropout, generator=generator
        )

    def interest(self, candidate_BKD: Tensor, history_BTD: Tensor, back_BT: Tensor) -> Tensor:
        """The candidate in the light of what was taken before it [B, K, D]."""
        return self.sequence.of_candidates(candidate_BKD, history_BTD, back_BT)
