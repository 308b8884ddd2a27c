"""SASRec: self-attention over the sequence so far.

Reference: Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018.
Deviations: the norm stands before each half of a block, as today's transformers have it; attention weights themselves
are not dropped, which lets fused attention run; the recipe chooses the loss (the paper's is BCE with one negative).

Legend of shapes: B sequences, T positions, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from aisle.nn.sequences.transformer import TransformerStack


class SASRecEncoder(nn.Module):
    """A causal stack, and a norm behind it.

    Args:
        stack: Positions and blocks.
    """

    def __init__(self, stack: TransformerStack) -> None:
        super().__init__()
        self.stack = stack
        self.norm = nn.LayerNorm(stack.dim)

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """What is expected behind each position [B, T, D]."""
        outputs_BTD: Tensor = self.norm(self.stack(embedded_BTD))
        return outputs_BTD

    def last(self, embedded_BTD: Tensor, is_item_BT: Tensor, last_B: Tensor) -> Tensor:
        """What is expected behind the last position of each sequence [B, D]."""
        outputs_BD: Tensor = self.norm(self.stack.last(embedded_BTD, is_item_BT, last_B))
        return outputs_BD
