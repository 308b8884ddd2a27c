"""GRU4Rec: a recurrent network over the session so far.

Reference: Hidasi et al., "Session-based recommendations with recurrent neural networks", ICLR 2016; losses over more
negatives: Hidasi and Karatzoglou, "Recurrent neural networks with top-k gains for session-based recommendations", CIKM
2018.
Deviations: whole sessions are read at once and not side by side, one step each; items have the same vectors at the
input and the output; the recipe chooses the loss and how negatives are drawn (the paper's are the other sessions'
items of a step).

Legend of shapes: B sequences, T positions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.mlp import linear
from aisle.nn.sequences.recurrent import Cell, RecurrentLayers


class GRU4RecEncoder(nn.Module):
    """Recurrent layers, and a linear one back to the width of items.

    Args:
        dim: D.
        hidden: Hidden values of each layer.
        cell: ``gru``, or ``lstm`` or ``rnn``.
        num_layers: Recurrent layers.
        dropout: Share that training drops, of the embedded sequence and behind each layer.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        dim: int,
        *,
        hidden: int,
        cell: Cell = "gru",
        num_layers: int = 1,
        dropout: float = 0.2,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.recurrent = RecurrentLayers(
            dim, hidden, cell=cell, num_layers=num_layers, dropout=dropout, generator=generator
        )
        self.project_out = linear(hidden, dim, generator=generator)
        self.dropout = dropout
        self.scale = float(dim**0.5)

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """What is expected behind each position [B, T, D]."""
        hidden = self.recurrent(self._drop(embedded_BTD * self.scale))
        outputs_BTD: Tensor = self.project_out(self._drop(hidden))
        return outputs_BTD

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.dropout, self.training)
