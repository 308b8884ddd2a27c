"""The full table: one trained row per id.

Legend of shapes: R rows, D embedding dimension, ``...`` any shape of ids, N ids of all bags, M bags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from aisle.nn.short_floats import float_array
from aisle.nn.tables.gather_kernel import gather_rows
from aisle.nn.tables.huge_pages import ask_for_huge_pages
from aisle.pipeline.tables import FullLookup

#: Takes the ids [N] that a batch looked up and the gradients [N, D] of their vectors; an id may come several times.
TakeRowGradients = Callable[[Tensor, Tensor], None]


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
        weight_RD = ask_for_huge_pages(torch.empty(sum(num_embeddings), embedding_dim))
        for rows_RD in weight_RD.split(list(num_embeddings)):  # type: ignore[no-untyped-call]
            bound = len(rows_RD) ** -0.5
            rows_RD.uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight_RD)
        self._take_row_gradients: TakeRowGradients | None = None

    def send_row_gradients(self, take: TakeRowGradients | None) -> None:
        """Hand the gradients of the looked up rows to ``take`` from now on: ``weight.grad`` stays ``None``.

        A gradient of the whole table, which autograd would make, costs memory and time in the size of the table.
        """
        self._take_row_gradients = take

    def forward(self, ids: Tensor, *, rounded: bool = False) -> Tensor:
        """The vectors [..., D] of ids in ``[0, R)``.

        Args:
            ids: Of any shape.
            rounded: Give them in the type that autocast computes products in, where it is on.
        """
        dtype = _type_of_products(self.weight) if rounded else self.weight.dtype
        if self._take_row_gradients is None or not torch.is_grad_enabled():
            return functional.embedding(ids, self.weight).to(dtype)
        vectors: Tensor = _Rows.apply(self.weight, ids, self._take_row_gradients, dtype)  # type: ignore[no-untyped-call]
        return vectors

    def pool(self, ids_N: Tensor, offsets_M: Tensor, pooling: str) -> Tensor:
        """One vector [M, D] per bag: the ``sum`` or ``mean`` of its ids' vectors; zero for an empty bag."""
        if self._take_row_gradients is None or not torch.is_grad_enabled():
            return functional.embedding_bag(ids_N, self.weight, offsets_M, mode=pooling)
        sizes_M = torch.diff(offsets_M, append=offsets_M.new_full((1,), len(ids_N)))
        bag_N = torch.repeat_interleave(torch.arange(len(offsets_M), device=ids_N.device), sizes_M)
        sums_MD = self.weight.new_zeros(len(offsets_M), self.weight.shape[1]).index_add(0, bag_N, self(ids_N))
        return sums_MD if pooling == "sum" else sums_MD / sizes_M.clamp(min=1)[:, None]

    def serving_half(self) -> FullLookup:
        """The table as plain arrays: a copy of the weights as they are now."""
        return FullLookup(self.weight.detach().cpu().numpy().copy())


class _Rows(torch.autograd.Function):
    """A gather whose gradient goes to a function, row by row."""

    @staticmethod
    def forward(ctx: Any, weight_RD: Tensor, ids: Tensor, take: TakeRowGradients, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.take = take
        if weight_RD.device.type != "cpu":
            return functional.embedding(ids, weight_RD).to(dtype)
        lowest, highest = torch.aminmax(ids) if ids.numel() else (0, 0)
        if lowest < 0 or highest >= len(weight_RD):
            raise IndexError(f"expected ids in [0, {len(weight_RD)}), received {int(lowest)} to {int(highest)}")
        gathered = torch.bfloat16 if dtype == torch.bfloat16 else torch.float32
        vectors_ND = weight_RD.new_empty(ids.numel(), weight_RD.shape[1], dtype=gathered)
        gather_rows(weight_RD.detach().numpy(), ids.reshape(-1).numpy(), float_array(vectors_ND))
        return vectors_ND.view(*ids.shape, -1).to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None, None]:
        (ids,) = ctx.saved_tensors
        ctx.take(ids.reshape(-1), gradient.reshape(-1, gradient.shape[-1]))
        return None, None, None, None


def _type_of_products(weight: Tensor) -> torch.dtype:
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
