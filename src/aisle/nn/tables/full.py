"""The full table: one trained row per id.

Legend of shapes: R rows, D embedding dimension, ``...`` any shape of ids, N ids of all bags, M bags.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.pipeline.tables import FullLookup


class FullTable(nn.Module):
    """One vector per id, for one table or several of one width stacked above each other.

    Rows start uniform in ``+-1/sqrt(rows of their table)``, as in the reference implementation of DLRM.

    Args:
        num_embeddings: Rows of each stacked table.
        embedding_dim: D.
        generator: Draws the first weights.
    """

    def __init__(self, num_embeddings: Sequence[int], embedding_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        parts = []
        for rows in num_embeddings:
            bound = rows**-0.5
            parts.append(torch.empty(rows, embedding_dim).uniform_(-bound, bound, generator=generator))
        self.weight = nn.Parameter(torch.cat(parts))

    def forward(self, ids: Tensor) -> Tensor:
        """The vectors [..., D] of ids in ``[0, R)``."""
        return functional.embedding(ids, self.weight)

    def pool(self, ids_N: Tensor, offsets_M: Tensor, pooling: str) -> Tensor:
        """One vector [M, D] per bag: the ``sum`` or ``mean`` of its ids' vectors; zero for an empty bag."""
        return functional.embedding_bag(ids_N, self.weight, offsets_M, mode=pooling)

    def serving_half(self) -> FullLookup:
        """The table as plain arrays: a copy of the weights as they are now."""
        return FullLookup(self.weight.detach().cpu().numpy().copy())
