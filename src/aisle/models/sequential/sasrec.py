"""SASRec: self-attention over the sequence so far.

Reference: Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018.
Deviations: the norm stands before each half of a block, as today's transformers have it; attention weights themselves
are not dropped, which lets fused attention run; the recipe chooses the loss (the paper's is BCE with one negative).

Legend of shapes: B sequences, T positions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.sequences.transformer import TransformerBlock


class SASRecEncoder(nn.Module):
    """Learned positions and causal transformer blocks.

    Args:
        dim: D.
        max_length: The longest sequence.
        num_blocks: Transformer blocks.
        num_heads: Heads of each.
        hidden: Width of the blocks' two-layer networks.
        dropout: Share that training drops, of the embedded sequence and in the blocks.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        dim: int,
        *,
        max_length: int,
        num_blocks: int = 2,
        num_heads: int = 1,
        hidden: int,
        dropout: float = 0.2,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(max_length, dim, generator=generator) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, num_heads=num_heads, hidden=hidden, dropout=dropout, generator=generator)
            for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.dropout = dropout
        self.scale = float(dim**0.5)

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """What is expected behind each position [B, T, D]."""
        inputs_BTD = embedded_BTD * self.scale + self.positions[: embedded_BTD.shape[1]]
        inputs_BTD = functional.dropout(inputs_BTD, self.dropout, self.training)
        for block in self.blocks:
            inputs_BTD = block(inputs_BTD)
        outputs_BTD: Tensor = self.norm(inputs_BTD)
        return outputs_BTD
