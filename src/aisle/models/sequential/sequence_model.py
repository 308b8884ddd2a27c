"""The frame of models that read a sequence of items and score the next one: item vectors, an encoder, inner products.

The same vectors stand for items at the input and at the output. Sequences are padded at their end, so that a causal
encoder never sees padding; what it says there means nothing.

Legend of shapes: B sequences, T positions, V items, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SequenceModel(nn.Module):
    """Items, an encoder of sequences, and scores.

    Args:
        num_items: V.
        dim: D.
        encoder: From what stands at each position [B, T, D] to what is expected next there [B, T, D].
        normalize: Whether scores are cosines: vectors of items and queries have length 1 at the output.
        generator: Draws the first vectors, normal with the deviation .02.
    """

    def __init__(
        self, num_items: int, dim: int, encoder: nn.Module, *, normalize: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.randn(num_items, dim, generator=generator) * 0.02)
        self.encoder = encoder
        self.normalize = normalize

    def forward(self, items_BT: Tensor) -> Tensor:
        """The queries [B, T, D] behind each position.

        Args:
            items_BT: Item rows, oldest first; -1 behind the last one.
        """
        return self.queries(self.embed(items_BT), items_BT >= 0)

    def embed(self, items_BT: Tensor) -> Tensor:
        """What stands at each position [B, T, D]; anything where there is no item."""
        return functional.embedding(items_BT.clamp(min=0), self.items)

    def queries(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """The queries [B, T, D] of embedded sequences."""
        queries_BTD: Tensor = self.encoder(embedded_BTD, is_item_BT)
        return functional.normalize(queries_BTD, dim=2) if self.normalize else queries_BTD

    def last_queries(self, embedded_BTD: Tensor, last_B: Tensor) -> Tensor:
        """The query [B, D] of each embedded sequence, which ends at the position ``last_B``."""
        places_T = torch.arange(embedded_BTD.shape[1], device=embedded_BTD.device)
        queries_BTD = self.queries(embedded_BTD, places_T <= last_B[:, None])
        return queries_BTD[torch.arange(last_B.shape[0], device=last_B.device), last_B]

    def item_vectors(self) -> Tensor:
        """The vectors [V, D] that queries are compared with."""
        return functional.normalize(self.items, dim=1) if self.normalize else self.items
