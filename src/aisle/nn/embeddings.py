"""Embedding collections: the sparse arch of every ranker.

Names follow TorchRec's ``EmbeddingBagConfig`` and ``EmbeddingBagCollection``. All vectors have one width. Tables whose
vectors are rows (full, hashed, thresholded) are stacked in one weight, so that a batch costs one gather however many
features it has; tables of another kind are stacked with their like, see ``aisle.nn.tables``.

Legend of shapes: B batch, S single-valued sparse features, P those of them that read rows of the one weight, H those of
P that are hashed, F embedded features (single-valued ones, then bags), D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor, nn

from aisle.nn.sparse import SparseFeatures
from aisle.nn.tables import ComposedTables, EmbeddingBagConfig, FullTable, Hashed, RowKind, TableSize
from aisle.nn.tables.composed import group_tables
from aisle.nn.tables.config import check_tables
from aisle.nn.tables.contract import column_buffer
from aisle.nn.tables.hashed import hashed_rows
from aisle.pipeline.embedding_lookup import UNKNOWN_ROW, EmbeddingLookup
from aisle.pipeline.tables import FullLookup, HashedLookup, LookupTable

__all__ = ["EmbeddingBagCollection", "EmbeddingBagConfig"]

_ROWS = -1  # the group of all tables whose vectors are rows


class EmbeddingBagCollection(nn.Module):
    """All embedding tables of a model.

    An id outside its table stands for the unknown one (row 1), in training as in serving: new ids come in between.

    Attributes:
        tables: As given.
        embedding_dim: D.
        table: The stacked rows of full, hashed and thresholded tables; only there if one is of such a kind.

    Args:
        tables: All of one width, at least one.
        generator: Draws the first weights.

    Raises:
        ValueError: widths differ, a table has fewer than two rows or no feature, or a name comes twice.
    """

    table: FullTable
    _first_unknown_S: Tensor
    _column_P: Tensor
    _offset_P: Tensor
    _place_H: Tensor
    _num_buckets_H: Tensor

    def __init__(self, tables: Sequence[EmbeddingBagConfig], *, generator: torch.Generator) -> None:
        super().__init__()
        check_tables(tables)
        self.tables = tuple(tables)
        self.embedding_dim = tables[0].embedding_dim
        self._single = [(name, number) for number, table in enumerate(tables) for name in table.feature_names]
        self._bags = [(name, number) for number, table in enumerate(tables) for name in table.bag_names]
        column_buffer(self, "_first_unknown_S", [tables[number].first_unknown for _, number in self._single])
        self._stack_rows(generator)
        kinds = [(table.num_embeddings, table.kind) for table in tables]
        self._groups = group_tables(kinds, [number for _, number in self._single], self.embedding_dim, generator)
        self._composed: dict[int, tuple[ComposedTables, int]] = {
            number: (group.module, place) for group in self._groups for place, number in enumerate(group.tables)
        }
        group_of = {number: which for which, group in enumerate(self._groups) for number in group.tables}
        # Neighbouring columns of one group stay together where the vectors of all groups are put in order.
        runs = groupby(group_of.get(number, _ROWS) for _, number in self._single)
        self._runs = [(group, len(list(columns))) for group, columns in runs]
        if self._groups:
            self.composed = nn.ModuleList([group.module for group in self._groups])

    def _stack_rows(self, generator: torch.Generator) -> None:
        """Lay out the tables whose vectors are rows: their place in the one weight, and which columns read them."""
        self._offsets: dict[int, int] = {}
        num_rows: list[int] = []
        for number, table in enumerate(self.tables):
            if isinstance(table.kind, RowKind):
                self._offsets[number] = sum(num_rows)
                num_rows.append(table.kind.stored_rows(table.num_embeddings))
        if num_rows:
            self.table = FullTable(num_rows, self.embedding_dim, generator=generator)
        columns = [column for column, (_, number) in enumerate(self._single) if number in self._offsets]
        numbers = [self._single[column][1] for column in columns]
        kinds = [self.tables[number].kind for number in numbers]
        column_buffer(self, "_column_P", columns)
        column_buffer(self, "_offset_P", [self._offsets[number] for number in numbers])
        column_buffer(self, "_place_H", [place for place, kind in enumerate(kinds) if isinstance(kind, Hashed)])
        column_buffer(self, "_num_buckets_H", [kind.num_buckets for kind in kinds if isinstance(kind, Hashed)])

    @classmethod
    def side_by_side(cls, collections: Sequence[EmbeddingBagCollection]) -> EmbeddingBagCollection:
        """Copies of collections over the same features as one, their vectors one behind the other.

        Raises:
            ValueError: the tables have other features, numbers of rows or kinds, or composed vectors.
        """
        layouts = [[replace(table, embedding_dim=1) for table in one.tables] for one in collections]
        if any(layout != layouts[0] for layout in layouts):
            raise ValueError("expected collections over the same tables, received others")
        for table in layouts[0]:
            if not isinstance(table.kind, RowKind):
                raise ValueError(
                    f"expected full, hashed or thresholded tables, {table.name} is {table.kind.name}: its vectors are "
                    "composed, and stand side by side in no table; average the predictions instead"
                )
        width = sum(one.embedding_dim for one in collections)
        tables = [replace(table, embedding_dim=width) for table in layouts[0]]
        result = cls(tables, generator=torch.Generator())
        with torch.no_grad():
            result.table.weight.copy_(torch.cat([one.table.weight for one in collections], dim=1))
        return result

    @property
    def feature_names(self) -> list[str]:
        """The S single-valued features: the columns of ``ids_BS``."""
        return [name for name, _ in self._single]

    @property
    def bag_names(self) -> list[str]:
        """The features that come as bags."""
        return [name for name, _ in self._bags]

    @property
    def num_features(self) -> int:
        """F."""
        return len(self._single) + len(self._bags)

    def forward(self, sparse: SparseFeatures, *, rounded: bool = False) -> Tensor:
        """The vectors [B, F, D] of a batch.

        Args:
            sparse: The ids.
            rounded: Whether rows may come in the type that autocast computes products in, where it is on: half the
                memory to move, and the same numbers for a model that only multiplies them.

        Raises:
            ValueError: ids have another number of columns, or bags are missing.
        """
        ids_BS = sparse.ids_BS
        if ids_BS.dim() != 2 or ids_BS.shape[1] != len(self._single) or (sparse.bags is None and self._bags):
            raise ValueError(
                f"expected ids [B, {len(self._single)}] and the bags {self.bag_names}, received the shape "
                f"{tuple(ids_BS.shape)} and {'no bags' if sparse.bags is None else list(sparse.bags.keys)}"
            )
        embedded_BSD = self._embed(_known(ids_BS, self._first_unknown_S.to(ids_BS.dtype)), rounded)
        if sparse.bags is None or not self._bags:
            return embedded_BSD
        pooled = [self._pool(number, *sparse.bags.key(name)) for name, number in self._bags]
        return torch.cat([embedded_BSD, torch.stack(pooled, dim=1)], dim=1)

    def _embed(self, ids_BS: Tensor, rounded: bool) -> Tensor:
        if not self._runs:
            return torch.zeros(len(ids_BS), 0, self.embedding_dim, device=ids_BS.device)
        if len(self._runs) == 1:
            return self._embed_group(self._runs[0][0], ids_BS, rounded)
        pieces: dict[int, Iterator[Tensor]] = {}
        for group in dict.fromkeys(group for group, _ in self._runs):
            column_G = self._column_P if group == _ROWS else self._groups[group].module.column_G
            vectors = self._embed_group(group, ids_BS.index_select(1, column_G), rounded)
            pieces[group] = iter(torch.split(vectors, [length for one, length in self._runs if one == group], dim=1))
        return torch.cat([next(pieces[group]) for group, _ in self._runs], dim=1)

    def _embed_group(self, group: int, ids_BG: Tensor, rounded: bool) -> Tensor:
        vectors: Tensor = self._rows(ids_BG, rounded) if group == _ROWS else self._groups[group].module(ids_BG)
        return vectors

    def _rows(self, ids_BP: Tensor, rounded: bool) -> Tensor:
        """Vectors that are rows of the one weight."""
        if len(self._place_H):
            buckets_BH = hashed_rows(ids_BP.index_select(1, self._place_H), self._num_buckets_H)
            ids_BP = ids_BP.long().index_copy(1, self._place_H, buckets_BH)
        vectors: Tensor = self.table(ids_BP + self._offset_P, rounded=rounded)
        return vectors

    def _pool(self, number: int, ids_N: Tensor, offsets_B: Tensor) -> Tensor:
        table = self.tables[number]
        ids_N = _known(ids_N, table.first_unknown)
        if number in self._composed:
            tables, place = self._composed[number]
            return tables.pool(place, ids_N, offsets_B, table.pooling)
        if isinstance(table.kind, Hashed):
            ids_N = hashed_rows(ids_N, table.kind.num_buckets)
        return self.table.pool(ids_N + self._offsets[number], offsets_B, table.pooling)

    def start_normal(self, deviation: float, *, num_zero: int = 0, generator: torch.Generator) -> None:
        """Draw the first weights anew: vectors are normal with the mean 0, of whatever kind a table is.

        Args:
            deviation: The standard deviation of a number, above 0.
            num_zero: The last so many numbers of each vector start at 0, as weights of the id in the logit.
            generator: Draws them.
        """
        first_zero = self.embedding_dim - num_zero
        deviation_D = torch.full((self.embedding_dim,), deviation)
        deviation_D[first_zero:] = 0
        for group in self._groups:
            group.module.start_normal(deviation_D, generator)
        if self._offsets:
            with torch.no_grad():
                self.table.weight.normal_(0.0, deviation, generator=generator)
                self.table.weight[:, first_zero:].zero_()

    def start_at_zero(self) -> None:
        """Let all vectors start as zeros, which learn, of whatever kind a table is."""
        for group in self._groups:
            group.module.start_at_zero()
        if self._offsets:
            with torch.no_grad():
                self.table.weight.zero_()

    def serving_half(self) -> EmbeddingLookup:
        """The collection as plain arrays with a NumPy ``lookup``."""
        features = [
            *((name, number, None) for name, number in self._single),
            *((name, number, self.tables[number].pooling) for name, number in self._bags),
        ]
        return EmbeddingLookup.of(features, [self._lookup_of(number) for number in range(len(self.tables))])

    def _lookup_of(self, number: int) -> LookupTable:
        if number in self._composed:
            tables, place = self._composed[number]
            return tables.serving_half(place)
        table = self.tables[number]
        weights_RD = self.rows_of(table.name).cpu().numpy()
        if isinstance(table.kind, Hashed):
            return HashedLookup(weights_RD.copy(), table.num_embeddings)
        return FullLookup(weights_RD)  # a view: the lookup stacks, and so copies, full tables

    def sizes(self) -> list[TableSize]:
        """What each table takes in training, and what full tables would."""
        return [TableSize.of(table, self._num_parameters_of(number)) for number, table in enumerate(self.tables)]

    def _num_parameters_of(self, number: int) -> int:
        if number in self._composed:
            tables, place = self._composed[number]
            return tables.parameters_of(place)
        return self.rows_of(self.tables[number].name).numel()

    def rows_of(self, table_name: str) -> Tensor:
        """A view of one table's stored rows [rows, D], to read or to start from an earlier model's.

        Raises:
            ValueError: there is no such table, or its vectors are composed.
        """
        names = [table.name for table in self.tables]
        if table_name not in names:
            raise ValueError(f"expected one of the tables {', '.join(names)}, received {table_name!r}")
        number = names.index(table_name)
        table = self.tables[number]
        if not isinstance(table.kind, RowKind):
            raise ValueError(f"expected a table of rows, {table_name} is {table.kind.name}: its vectors are composed")
        start = self._offsets[number]
        return self.table.weight.detach()[start : start + table.kind.stored_rows(table.num_embeddings)]


def _known(ids: Tensor, first_unknown: Tensor | int) -> Tensor:
    return torch.where((ids >= 0) & (ids < first_unknown), ids, UNKNOWN_ROW)
