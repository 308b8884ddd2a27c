"""Quotient-remainder tables: each id has a pair of rows of its own, in two tables that are small.

Reference: Shi et al., "Compositional Embeddings Using Complementary Partitions for Memory-Efficient Recommendation
Systems", 2019.

With one modulus m, the pair ``(id // m, id % m)`` tells all n ids apart; ``ceil(n / m) + m`` rows are stored. The parts
are multiplied, added, or laid side by side (``concat``, each half as wide).

Deviations from the paper: none in the tables. Their first weights are chosen so that vectors start as a full table's:
with ``mult`` a remainder's numbers are those of a full table and a quotient's are +1 or -1 by chance, so that products
have exactly the distribution of a full table's numbers, those of two ids are uncorrelated, and a remainder learns at a
full table's pace; with ``add`` each part has half the variance, and ids that share one start correlated, which may be
why sums do worse.

Legend of shapes: B batch, G features, N ids of all bags, M bags, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.tables.contract import column_buffer, pooled
from aisle.nn.tables.full import FullTable
from aisle.nn.tables.kinds import Combine, QuotientRemainder
from aisle.pipeline.tables import QuotientRemainderLookup


class QuotientRemainderTables(nn.Module):
    """Tables with one way to combine, their quotients' rows stacked, and their remainders'.

    Args:
        tables: The ids n and the kind of each.
        columns: Where the G single-valued features stand among the collection's.
        table_of_G: The table of each of them.
        embedding_dim: D, at least 2 with ``concat``.
        generator: Draws the first weights.
    """

    column_G: Tensor
    _modulus_G: Tensor
    _quotient_offset_G: Tensor
    _remainder_offset_G: Tensor

    def __init__(
        self,
        tables: Sequence[tuple[int, QuotientRemainder]],
        columns: Sequence[int],
        table_of_G: Sequence[int],
        embedding_dim: int,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._tables = list(tables)
        self.combine: Combine = tables[0][1].combine
        widths = (embedding_dim, embedding_dim)
        if self.combine == "concat":
            if embedding_dim < 2:
                raise ValueError(f"combine: expected at least 2 numbers to concat, received {embedding_dim}; use mult")
            widths = (embedding_dim // 2, embedding_dim - embedding_dim // 2)
        num_quotients = [kind.num_quotients(rows) for rows, kind in tables]
        moduli = [kind.modulus for _, kind in tables]
        self._quotient_offsets, self._remainder_offsets = _starts(num_quotients), _starts(moduli)
        self.quotients = FullTable(num_quotients, widths[0], generator=generator)
        self.remainders = FullTable(moduli, widths[1], generator=generator)
        for rows, (first, second) in zip([rows for rows, _ in tables], self._parts(), strict=True):
            self._draw_uniform(first, second, rows**-0.5, generator)
        column_buffer(self, "column_G", columns)
        column_buffer(self, "_modulus_G", [moduli[table] for table in table_of_G])
        column_buffer(self, "_quotient_offset_G", [self._quotient_offsets[table] for table in table_of_G])
        column_buffer(self, "_remainder_offset_G", [self._remainder_offsets[table] for table in table_of_G])

    def forward(self, ids_BG: Tensor) -> Tensor:
        """The vectors [B, G, D] of ids within their tables."""
        return self._vectors(ids_BG, self._modulus_G, self._quotient_offset_G, self._remainder_offset_G)

    def pool(self, table: int, ids_N: Tensor, offsets_M: Tensor, pooling: str) -> Tensor:
        """One vector [M, D] per bag of one table's ids: composed first, then pooled."""
        first, second = self._quotient_offsets[table], self._remainder_offsets[table]
        return pooled(self._vectors(ids_N, self._tables[table][1].modulus, first, second), offsets_M, pooling)

    def start_normal(self, deviation_D: Tensor, generator: torch.Generator) -> None:
        """Start anew, so that vectors have the mean 0 and these standard deviations."""
        width = self.quotients.weight.shape[1]
        first_V, second_W = deviation_D, deviation_D
        if self.combine == "concat":
            first_V, second_W = deviation_D[:width], deviation_D[width:]
        elif self.combine == "add":
            first_V = second_W = deviation_D * 0.5**0.5
        with torch.no_grad():
            self.quotients.weight.normal_(generator=generator).mul_(first_V)
            if self.combine == "mult":
                _draw_signs(self.quotients.weight, generator)
            self.remainders.weight.normal_(generator=generator).mul_(second_W)

    def start_at_zero(self) -> None:
        """Start anew with the vectors 0; a product is 0 by its remainder, which learns as the quotient is not."""
        with torch.no_grad():
            self.remainders.weight.zero_()
            if self.combine != "mult":
                self.quotients.weight.zero_()

    def parameters_of(self, table: int) -> int:
        """The numbers of both parts."""
        first, second = self._parts()[table]
        return first.numel() + second.numel()

    def serving_half(self, table: int) -> QuotientRemainderLookup:
        """One table as plain arrays: a copy of the weights as they are now."""
        first, second = (part.detach().cpu().numpy().copy() for part in self._parts()[table])
        return QuotientRemainderLookup(first, second, self.combine, self._tables[table][0])

    def _vectors(
        self, ids: Tensor, modulus: Tensor | int, quotient_offset: Tensor | int, remainder_offset: Tensor | int
    ) -> Tensor:
        quotients = ids // modulus
        remainders = ids - quotients * modulus
        first: Tensor = self.quotients(quotients + quotient_offset)
        second: Tensor = self.remainders(remainders + remainder_offset)
        if self.combine == "concat":
            return torch.cat([first, second], dim=-1)
        return first * second if self.combine == "mult" else first + second

    def _parts(self) -> list[tuple[Tensor, Tensor]]:
        num_quotients = [kind.num_quotients(rows) for rows, kind in self._tables]
        moduli = [kind.modulus for _, kind in self._tables]
        quotients, remainders = (
            torch.split(self.quotients.weight, num_quotients),
            torch.split(self.remainders.weight, moduli),
        )
        return list(zip(quotients, remainders, strict=True))

    def _draw_uniform(self, first: Tensor, second: Tensor, bound: float, generator: torch.Generator) -> None:
        bound *= 0.5**0.5 if self.combine == "add" else 1.0
        with torch.no_grad():
            first.uniform_(-bound, bound, generator=generator)
            if self.combine == "mult":
                _draw_signs(first, generator)
            second.uniform_(-bound, bound, generator=generator)


def _draw_signs(weight: Tensor, generator: torch.Generator) -> None:
    weight.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)


def _starts(rows: Sequence[int]) -> list[int]:
    return [sum(rows[:number]) for number in range(len(rows))]
