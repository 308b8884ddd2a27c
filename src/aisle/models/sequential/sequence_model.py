"""The frame of models that read a sequence of items and score the next one: item vectors, an encoder, inner products.

The same vectors stand for items at the input and at the output. Sequences are padded at their end, so that a causal
encoder never sees padding; what it says there means nothing.

Legend of shapes: B sequences, T positions, V items, D width.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.models.sequential.side_information import NOTHING, Events, SideInformation
from aisle.nn.sequences.places import at_places


@runtime_checkable
class EncodesLast(Protocol):
    """An encoder that does less where one position of each sequence is asked for."""

    def last(self, embedded_BTD: Tensor, is_item_BT: Tensor, last_B: Tensor) -> Tensor:
        """What is expected behind the position ``last_B`` of each sequence [B, D], which is its last item."""
        ...


class SequenceModel(nn.Module):
    """Items, an encoder of sequences, and scores.

    Args:
        num_items: V.
        dim: D.
        encoder: From what stands at each position [B, T, D] to what is expected next there [B, T, D].
        normalize: Whether scores are cosines: vectors of items and queries have length 1 at the output.
        generator: Draws the first vectors, normal with the deviation .02.
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
        super().__init__()
        self.items = nn.Parameter(torch.randn(num_items, dim, generator=generator) * 0.02)
        self.encoder = encoder
        self.normalize = normalize
        self.side = side

    def forward(self, items_BT: Tensor, events: Events = NOTHING) -> Tensor:
        """The queries [B, T, D] behind each position.

        Args:
            items_BT: Item rows, oldest first; -1 behind the last one.
            events: What else is known of each.
        """
        return self.queries(self.embed(items_BT, events), items_BT >= 0, events.times_BT)

    def embed(self, items_BT: Tensor, events: Events = NOTHING) -> Tensor:
        """What stands at each position [B, T, D]; anything where there is no item."""
        embedded_BTD = functional.embedding(items_BT.clamp(min=0), self.read_vectors())
        return embedded_BTD if self.side is None else self.side.beside(embedded_BTD, events)

    def queries(self, embedded_BTD: Tensor, is_item_BT: Tensor, times_BT: Tensor | None = None) -> Tensor:
        """The queries [B, T, D] of embedded sequences; ``times_BT`` is for an encoder that reads it."""
        told = () if times_BT is None else (times_BT,)
        queries_BTD: Tensor = self.encoder(embedded_BTD, is_item_BT, *told)
        return functional.normalize(queries_BTD, dim=2) if self.normalize else queries_BTD

    def last_queries(self, embedded_BTD: Tensor, last_B: Tensor, times_BT: Tensor | None = None) -> Tensor:
        """The query [B, D] of each embedded sequence, which ends at the position ``last_B``."""
        places_T = torch.arange(embedded_BTD.shape[1], device=embedded_BTD.device)
        is_item_BT = places_T <= last_B[:, None]
        if times_BT is None and isinstance(self.encoder, EncodesLast):
            queries_BD = self.encoder.last(embedded_BTD, is_item_BT, last_B)
            return functional.normalize(queries_BD, dim=1) if self.normalize else queries_BD
        return at_places(self.queries(embedded_BTD, is_item_BT, times_BT), last_B)

    def read_vectors(self) -> Tensor:
        """The vectors [V, D] that stand for items in sequences."""
        return self.items if self.side is None else self.side.read(self.items)

    def item_vectors(self, rows_S: Tensor | None = None) -> Tensor:
        """The vectors [V, D] that queries are compared with; those of some rows [S, D] cost what these rows cost."""
        vectors_VD = self.items if self.side is None else self.side.sought(self.items)
        if rows_S is not None:
            vectors_VD = functional.embedding(rows_S, vectors_VD)
        return functional.normalize(vectors_VD, dim=1) if self.normalize else vectors_VD
