"""Puts the tables of a collection whose vectors are composed with their like.

Legend of shapes: S single-valued sparse features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from aisle.nn.tables.kinds import LowRank, QuotientRemainder, TableKind
from aisle.nn.tables.low_rank import LowRankTables
from aisle.nn.tables.quotient_remainder import QuotientRemainderTables


@dataclass(frozen=True)
class TableGroup:
    """Tables that are looked up at once.

    Attributes:
        module: Them, a torch module.
        tables: Their numbers in the collection; the module numbers them in this order.
    """

    module: QuotientRemainderTables | LowRankTables
    tables: tuple[int, ...]


def group_tables(
    tables: Sequence[tuple[int, TableKind]], table_of_S: Sequence[int], embedding_dim: int, generator: torch.Generator
) -> list[TableGroup]:
    """The groups of a collection: quotient-remainder tables by how they combine, low-rank tables by their width.

    Args:
        tables: The number of ids and the kind of each table; those whose vectors are rows are left out.
        table_of_S: The table of each single-valued feature.
        embedding_dim: D.
        generator: Draws the first weights.
    """
    members: dict[tuple[str, str | int], list[int]] = {}
    for number, (_, kind) in enumerate(tables):
        if isinstance(kind, QuotientRemainder):
            members.setdefault((kind.name, kind.combine), []).append(number)
        elif isinstance(kind, LowRank):
            members.setdefault((kind.name, kind.width), []).append(number)
    return [_group(numbers, tables, table_of_S, embedding_dim, generator) for numbers in members.values()]


def _group(
    numbers: list[int],
    tables: Sequence[tuple[int, TableKind]],
    table_of_S: Sequence[int],
    embedding_dim: int,
    generator: torch.Generator,
) -> TableGroup:
    columns = [column for column, table in enumerate(table_of_S) if table in numbers]
    table_of_G = [numbers.index(table_of_S[column]) for column in columns]
    kinds = [tables[number] for number in numbers]
    compositional = [(rows, kind) for rows, kind in kinds if isinstance(kind, QuotientRemainder)]
    module: QuotientRemainderTables | LowRankTables
    if compositional:
        module = QuotientRemainderTables(compositional, columns, table_of_G, embedding_dim, generator=generator)
    else:
        first = kinds[0][1]
        assert isinstance(first, LowRank), "the vectors of other kinds are rows"
        num_embeddings = [rows for rows, _ in kinds]
        module = LowRankTables(num_embeddings, columns, table_of_G, first.width, embedding_dim, generator=generator)
    return TableGroup(module, tuple(numbers))
