"""BERT4Rec: items that were hidden in a sequence are told from both sides; at its end a hidden one is the next.

Reference: Sun et al., "BERT4Rec: sequential recommendation with bidirectional encoder representations from
transformer", CIKM 2019.
Deviations: the norm stands before each half of a block and ReLU within it, as in this package's other transformers;
the layer before the scores is added to what it reads, which is near to items from the start; items have no bias at the
output; positions are counted from the end; the recipe chooses the loss, and may put short convolutions in front of the
blocks.

Legend of shapes: B sequences, T positions, V items, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.models.sequential.sequence_model import SequenceModel
from aisle.models.sequential.side_information import NOTHING, Events, SideInformation
from aisle.nn.mlp import linear
from aisle.nn.sequences.transformer import BothSidedStack


class BERT4RecEncoder(nn.Module):
    """A stack that sees both sides, and a layer before the scores.

    Args:
        stack: Positions and blocks; its longest sequence counts hidden items too.
        generator: Draws the first weights.
    """

    def __init__(self, stack: BothSidedStack, *, generator: torch.Generator) -> None:
        super().__init__()
        self.stack = stack
        self.stack_norm = nn.LayerNorm(stack.dim)
        self.project_out = linear(stack.dim, stack.dim, generator=generator)
        self.norm = nn.LayerNorm(stack.dim)

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """What is expected at each position [B, T, D] from all others."""
        hidden_BTD = self.stack_norm(self.stack(embedded_BTD, is_item_BT))
        outputs_BTD: Tensor = self.norm(hidden_BTD + functional.gelu(self.project_out(hidden_BTD)))
        return outputs_BTD


class ClozeModel(SequenceModel):
    """The frame of models that tell hidden items: one more vector, in the row V, stands where an item is hidden.

    Args:
        num_items: V.
        dim: D.
        encoder: From what stands at each position [B, T, D] to what is expected there [B, T, D].
        normalize: Whether scores are cosines.
        generator: Draws the first vectors.
        side: What else is known of items and events; missing: nothing.
    """

    def __init__(
        self,
        num_items: int,
        dim: int,
        encoder: nn.Module,
        *,
        normalize: bool,
        generator: torch.Generator,
        side: SideInformation | None = None,
    ) -> None:
        super().__init__(num_items, dim, encoder, normalize=normalize, generator=generator, side=side)
        self.mask = nn.Parameter(torch.randn(dim, generator=generator) * 0.02)

    def embed(self, items_BT: Tensor, events: Events = NOTHING) -> Tensor:
        """What stands at each position [B, T, D]; V is a hidden item, of whose event nothing is known."""
        num_items = len(self.items)
        is_hidden_BT1 = (items_BT == num_items)[:, :, None]
        return torch.where(is_hidden_BT1, self.mask, super().embed(items_BT.clamp(max=num_items - 1), events))

    def last_queries(self, embedded_BTD: Tensor, last_B: Tensor, times_BT: Tensor | None = None) -> Tensor:
        """The query [B, D] of a hidden item behind each sequence, which ends at the position ``last_B``."""
        longer_BTD = functional.pad(embedded_BTD, (0, 0, 0, 1))
        hidden_B = last_B + 1
        is_hidden_BT = torch.arange(longer_BTD.shape[1], device=last_B.device) == hidden_B[:, None]
        return super().last_queries(torch.where(is_hidden_BT[:, :, None], self.mask, longer_BTD), hidden_B)
