"""The frame of models that read a history once for each candidate: item vectors, an interest in the candidate, an MLP.

The rankers DIN, BST and DIEN over lists of items: the parts are those of the rankers over tables
(:mod:`aisle.models.ranking`), the history has no fields beside its items, and many candidates share what of a history
does not depend on them.

Legend of shapes: B histories, T places, K candidates of each, V items, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.mlp import MLP


class CandidateModel(nn.Module, ABC):
    """Scores of candidates behind histories.

    Args:
        num_items: V.
        dim: D.
        max_length: The longest history.
        hidden: Hidden sizes of the MLP over a candidate and the interest in it; a last layer of 1 follows.
        dropout: Share of the MLP's hidden values that training drops.
        generator: Draws the first values; those of vectors are normal with the deviation .1.
    """

    #: Whether an exported graph reads histories of ``max_length`` places alone, free ones among them.
    has_fixed_length = False

    def __init__(
        self,
        num_items: int,
        dim: int,
        *,
        max_length: int,
        hidden: Sequence[int],
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.items = nn.Parameter(torch.randn(num_items, dim, generator=generator) * 0.1)
        self.deep = MLP(2 * dim, [*hidden, 1], last_activation=False, dropout=dropout, generator=generator)

    def forward(self, items_BT: Tensor, candidates_BK: Tensor) -> Tensor:
        """The scores [B, K] of item rows, would they come next.

        Args:
            items_BT: Item rows of histories, oldest first; -1 behind the last one.
            candidates_BK: Item rows.
        """
        history_BTD = functional.embedding(items_BT.clamp(min=0), self.items)
        candidate_BKD = functional.embedding(candidates_BK, self.items)
        return self.score(history_BTD, (items_BT >= 0).sum(dim=1), candidate_BKD)

    def score(self, history_BTD: Tensor, sizes_B: Tensor, candidate_BKD: Tensor) -> Tensor:
        """The scores [B, K] of vectors behind histories of such sizes; what stands behind a history is not read."""
        places_T = torch.arange(history_BTD.shape[1], device=history_BTD.device)
        back_BT = (sizes_B[:, None] - places_T).clamp(min=0)
        interest_BKD = self.interest(candidate_BKD, history_BTD, back_BT)
        score_BK1: Tensor = self.deep(torch.cat([candidate_BKD, interest_BKD], dim=2))
        return score_BK1.squeeze(2)

    def take_auxiliary_loss(self) -> Tensor | None:
        """What the last call in training adds to the loss, once; ``None``: nothing."""
        return None

    @abstractmethod
    def interest(self, candidate_BKD: Tensor, history_BTD: Tensor, back_BT: Tensor) -> Tensor:
        """What the history says of each candidate [B, K, D].

        Args:
            candidate_BKD: Vectors of candidates.
            history_BTD: Vectors of what was taken, oldest first.
            back_BT: How far back each place lies, int64: the last one taken 1, free ones 0.
        """
