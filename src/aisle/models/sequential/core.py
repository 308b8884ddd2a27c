"""CORE: a session is a weighted mean of its own items' vectors, so that it lies among the items it is compared with.

Reference: Hou et al., "CORE: simple and effective session-based recommendation within consistent representation space",
SIGIR 2022, section 3.2 (CORE-trm).
Deviations: every position of a session teaches at once, so an item's weight is how well what the blocks make of it
answers the position that asks, and how far it lies before it; the paper's blocks see one session as a whole and give
each item one weight. Vectors of sought items are not dropped.

Legend of shapes: B sequences, T positions, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.mlp import linear
from aisle.nn.sequences.places import at_places
from aisle.nn.sequences.transformer import TransformerStack


class COREEncoder(nn.Module):
    """Blocks that say how much each item so far counts, and the mean of the items' own vectors by these weights.

    Args:
        stack: Positions and blocks.
        max_length: The longest sequence.
        dropout: Share that training drops, of the vectors that the mean is of.
        generator: Draws the first weights.
    """

    def __init__(self, stack: TransformerStack, *, max_length: int, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        self.stack = stack
        self.norm = nn.LayerNorm(stack.dim)
        self.queries = linear(stack.dim, stack.dim, generator=generator)
        self.keys = linear(stack.dim, stack.dim, generator=generator)
        self.by_distance = nn.Parameter(torch.zeros(max_length))
        self.dropout = dropout

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """What is expected behind each position [B, T, D]."""
        hidden_BTD = self.norm(self.stack(embedded_BTD))
        places_T = torch.arange(embedded_BTD.shape[1], device=embedded_BTD.device)
        distances_TT = places_T[:, None] - places_T
        logits_BTT = self.queries(hidden_BTD) @ self.keys(hidden_BTD).transpose(1, 2)
        return self._mean(logits_BTT, distances_TT, embedded_BTD)

    def last(self, embedded_BTD: Tensor, is_item_BT: Tensor, last_B: Tensor) -> Tensor:
        """What is expected behind the last position of each sequence [B, D]."""
        hidden_BTD = self.norm(self.stack(embedded_BTD))
        places_T = torch.arange(embedded_BTD.shape[1], device=embedded_BTD.device)
        distances_B1T = (last_B[:, None] - places_T)[:, None]
        queries_B1D = self.queries(at_places(hidden_BTD, last_B))[:, None]
        logits_B1T = queries_B1D @ self.keys(hidden_BTD).transpose(1, 2)
        return self._mean(logits_B1T, distances_B1T, embedded_BTD).squeeze(1)

    def _mean(self, logits: Tensor, distances: Tensor, embedded_BTD: Tensor) -> Tensor:
        """Means by the softmax of logits [B, X, T] over what lies at a distance of 0 or more."""
        logits = logits.float() / math.sqrt(self.stack.dim) + self.by_distance[distances.clamp(min=0)]
        weights = logits.masked_fill(distances < 0, -math.inf).softmax(-1)
        return weights @ functional.dropout(embedded_BTD, self.dropout, self.training)
