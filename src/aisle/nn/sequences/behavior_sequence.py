"""A history and its candidate as one sequence: transformer blocks whose last position is the candidate's.

Source: Chen et al., "Behavior Sequence Transformer for E-commerce Recommendation in Alibaba", DLP-KDD 2019.

Legend of shapes: B histories, T places of each, P = T + 1 places with the candidate's, K candidates of one history,
C width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.sequences.transformer import TransformerBlock

#: Standard deviation of the first vectors of positions.
_DEVIATION = 0.02
#: Hidden values of a block's two-layer network per input.
_WIDENING = 4


class BehaviorSequence(nn.Module):
    """What the candidate is in the light of what was taken before it.

    Args:
        size: C.
        num_places: The most places of a history.
        num_blocks: Transformer blocks, at least 1.
        num_heads: Heads of each, a divisor of C.
        dropout: The share that training drops, of the sequence and of both halves of a block.
        generator: Draws the first weights.

    Raises:
        ValueError: ``num_heads`` does not divide C.
    """

    def __init__(
        self,
        size: int,
        *,
        num_places: int,
        num_blocks: int,
        num_heads: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.position_PC = nn.Parameter(torch.empty(num_places + 1, size).normal_(0.0, _DEVIATION, generator=generator))
        self.blocks = nn.ModuleList(
            TransformerBlock(
                size,
                num_heads=num_heads,
                hidden=_WIDENING * size,
                dropout=dropout,
                is_causal=False,
                generator=generator,
            )
            for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(size)
        self.dropout = dropout

    def forward(self, candidate_BC: Tensor, history_BTC: Tensor, back_BT: Tensor) -> Tensor:
        """The candidate [B, C].

        Args:
            candidate_BC: What is asked for.
            history_BTC: What was taken before, oldest first.
            back_BT: How far back from the candidate each place lies, int64: the last one taken 1, free ones 0.
        """
        sequence_BPC = torch.cat([history_BTC, candidate_BC[:, None]], dim=1)
        # The candidate is 0 places back. Free places share its position, but none sees them.
        is_seen_BP = functional.pad(back_BT > 0, (0, 1), value=True)
        sequence_BPC = self._placed(sequence_BPC, functional.pad(back_BT, (0, 1)))
        for block in self.blocks:
            sequence_BPC = block(sequence_BPC, is_seen_BP[:, None, None])
        encoded_BC: Tensor = self.norm(sequence_BPC[:, -1])
        return encoded_BC

    def of_candidates(self, candidate_BKC: Tensor, history_BTC: Tensor, back_BT: Tensor) -> Tensor:
        """Each of many candidates [B, K, C] of a history; as :meth:`forward` says of one by one.

        In one block the history does not depend on who asks, so that its keys and values are made once.

        Raises:
            ValueError: there are several blocks.
        """
        if len(self.blocks) != 1:
            raise ValueError(f"expected one block to share a history among candidates, received {len(self.blocks)}")
        block = self.blocks[0]
        assert isinstance(block, TransformerBlock)
        candidate_BKC = self._placed(candidate_BKC, back_BT.new_zeros(1, 1))
        encoded_BKC: Tensor = self.norm(block.behind(candidate_BKC, self._placed(history_BTC, back_BT), back_BT > 0))
        return encoded_BKC

    def _placed(self, values_BTC: Tensor, back_BT: Tensor) -> Tensor:
        return functional.dropout(values_BTC + self.position_PC[back_BT], self.dropout, self.training)
