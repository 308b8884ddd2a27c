"""What tables do whose vectors are composed, several of one kind at once.

Legend of shapes: B batch, G features of these tables, N ids of all bags, M bags, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.pipeline.tables import LookupTable


class ComposedTables(Protocol):
    """Tables of one kind, numbered from 0; ids lie within their table. An implementation is a torch module."""

    def __call__(self, ids_BG: Tensor) -> Tensor:
        """The vectors [B, G, D] of single-valued features."""

    def pool(self, table: int, ids_N: Tensor, offsets_M: Tensor, pooling: str) -> Tensor:
        """One vector [M, D] per bag of one table's ids; zero for an empty bag."""

    def start_normal(self, deviation_D: Tensor, generator: torch.Generator) -> None:
        """Start anew, so that vectors have the mean 0 and these standard deviations, of which one is above 0."""

    def start_at_zero(self) -> None:
        """Start anew with vectors of zeros, which learn."""

    def parameters_of(self, table: int) -> int:
        """The numbers that stand behind one table."""

    def serving_half(self, table: int) -> LookupTable:
        """One table as plain arrays: a copy of the weights as they are now."""


def pooled(vectors_ND: Tensor, offsets_M: Tensor, pooling: str) -> Tensor:
    """The ``sum`` or ``mean`` [M, D] of each bag's vectors; zero for an empty bag."""
    numbers_N = torch.arange(len(vectors_ND), device=vectors_ND.device)
    return functional.embedding_bag(numbers_N, vectors_ND, offsets_M.long(), mode=pooling)


def column_buffer(module: nn.Module, name: str, values: Sequence[int]) -> None:
    """Keep a number per column with a module; it moves with it, and no checkpoint has it."""
    module.register_buffer(name, torch.tensor(list(values), dtype=torch.int64), persistent=False)
