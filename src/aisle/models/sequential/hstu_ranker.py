"""HSTU as a ranker: what a person does with an item, told from the items and actions before it, one after another.

Reference: Zhai et al., "Actions speak louder than words: trillion-parameter sequential transducers for generative
recommendations", ICML 2024: items and actions stand in turn in one sequence, so that a candidate is read in the light
of the whole history (target-aware) already in the first layer; M-FALCON (appendix H) scores many candidates at once.
Deviations: one embedding per action, no contextual features; what is remembered of a history is not kept for the next
request.

Legend of shapes: B people, T items of a history, K candidates, A actions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.mlp import linear
from aisle.nn.sequences.hstu import HSTULayer, Memory


class HSTURanker(nn.Module):
    """Logits of each action with an item, given what came before.

    Args:
        num_items: Items.
        num_actions: A.
        dim: D.
        max_items: The longest history and the candidate behind it, in items.
        num_layers: HSTU layers.
        num_heads: Heads of each; queries, keys and values share D out.
        dropout: Share that training drops.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        num_items: int,
        num_actions: int,
        dim: int,
        *,
        max_items: int,
        num_layers: int = 2,
        num_heads: int = 1,
        dropout: float = 0.2,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.randn(num_items, dim, generator=generator) * 0.02)
        self.actions = nn.Parameter(torch.randn(num_actions, dim, generator=generator) * 0.02)
        self.positions = nn.Parameter(torch.randn(2 * max_items, dim, generator=generator) * 0.02)
        self.layers = nn.ModuleList(
            HSTULayer(
                dim,
                num_heads=num_heads,
                query_dim=dim // num_heads,
                value_dim=dim // num_heads,
                max_length=2 * max_items,
                dropout=dropout,
                generator=generator,
            )
            for _ in range(num_layers)
        )
        self.head = linear(dim, num_actions, generator=generator)
        self.dropout = dropout
        self.scale = float(dim**0.5)

    def forward(self, items_BT: Tensor, actions_BT: Tensor) -> Tensor:
        """The logits [B, T, A] of the action with each item, from what came before it and the item itself.

        Args:
            items_BT: Item rows, oldest first; anything behind the last one.
            actions_BT: What was done with each, from 0; -1: not known. Anything behind the last one.
        """
        hidden = self._embedded(items_BT, actions_BT)
        for layer in self.layers:
            hidden = layer(hidden)
        logits_BTA: Tensor = self.head(hidden[:, ::2])
        return logits_BTA

    def score_candidates(
        self,
        items_BT: Tensor,
        actions_BT: Tensor,
        candidates_BK: Tensor,
        sizes_B: Tensor | None = None,
        *,
        at_once: int = 256,
    ) -> Tensor:
        """The logits [B, K, A] of the action with each candidate, would it come next.

        The history is passed through once; candidates follow in micro-batches, each seeing the history and itself.

        Args:
            items_BT: Item rows of the histories, oldest first; anything behind the last one.
            actions_BT: What was done with each.
            candidates_BK: Item rows.
            sizes_B: The length of each history; missing: T of all.
            at_once: Candidates of a micro-batch.

        Raises:
            ValueError: the histories leave no place for a candidate.
        """
        memories = self.remember(items_BT, actions_BT)
        if sizes_B is None:
            sizes_B = torch.full((len(items_BT),), items_BT.shape[1], device=items_BT.device)
        parts = [self.extend(part_BK, memories, sizes_B) for part_BK in torch.split(candidates_BK, at_once, dim=1)]
        return torch.cat(parts, dim=1)

    def remember(self, items_BT: Tensor, actions_BT: Tensor) -> list[Memory]:
        """What each layer keeps of histories for the candidates behind them; see :meth:`score_candidates`."""
        if 2 * items_BT.shape[1] >= len(self.positions):
            most = len(self.positions) // 2 - 1
            raise ValueError(f"expected at most {most} items before a candidate, received {items_BT.shape[1]}")
        hidden, memories = self._embedded(items_BT, actions_BT), []
        for layer in self.layers:
            assert isinstance(layer, HSTULayer)
            hidden, memory = layer.remember(hidden)
            memories.append(memory)
        return memories

    def extend(self, candidates_BK: Tensor, memories: list[Memory], sizes_B: Tensor) -> Tensor:
        """The logits [B, K, A] of candidates behind what is remembered; see :meth:`score_candidates`."""
        places_B = 2 * sizes_B
        hidden = functional.embedding(candidates_BK, self.items) * self.scale + self.positions[places_B][:, None]
        for layer, memory in zip(self.layers, memories, strict=True):
            assert isinstance(layer, HSTULayer)
            hidden = layer.extend(hidden, memory, places_B)
        logits_BKA: Tensor = self.head(hidden)
        return logits_BKA

    def _embedded(self, items_BT: Tensor, actions_BT: Tensor) -> Tensor:
        """Items and actions in turn [B, 2T, D]."""
        items_BTD = functional.embedding(items_BT.clamp(min=0), self.items)
        is_known_BT1 = (actions_BT >= 0)[:, :, None].to(self.actions.dtype)
        actions_BTD = functional.embedding(actions_BT.clamp(min=0), self.actions) * is_known_BT1
        both = torch.stack([items_BTD, actions_BTD], dim=2).flatten(1, 2) * self.scale
        return functional.dropout(both + self.positions[: both.shape[1]], self.dropout, self.training)
