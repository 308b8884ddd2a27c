"""Embedding collections: the sparse arch of every ranker.

Names follow TorchRec's ``EmbeddingBagConfig`` and ``EmbeddingBagCollection``. All tables of a collection have one width
and are stacked in one weight, so that a batch costs one gather however many features it has.

Legend of shapes: B batch, S single-valued sparse features, F embedded features (single-valued ones, then bags),
D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from aisle.nn.sparse import SparseFeatures
from aisle.nn.tables import FullTable
from aisle.pipeline.embedding_lookup import UNKNOWN_ROW, EmbeddingLookup, FeatureRows

Pooling = Literal["sum", "mean"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingBagConfig:
    """One table and the features that look it up.

    Attributes:
        name: The table's name.
        num_embeddings: Rows; the first two are padding and the unknown id.
        embedding_dim: Width.
        feature_names: Single-valued features that share the table.
        bag_names: Features with several ids that share it.
        pooling: How a bag's vectors become one.
    """

    name: str
    num_embeddings: int
    embedding_dim: int
    feature_names: tuple[str, ...] = ()
    bag_names: tuple[str, ...] = ()
    pooling: Pooling = "mean"


class EmbeddingBagCollection(nn.Module):
    """All embedding tables of a model.

    An id outside its table stands for the unknown one (row 1), in training as in serving: new ids come in between.

    Args:
        tables: All of one width, at least one.
        generator: Draws the first weights.

    Raises:
        ValueError: widths differ, a table has fewer than two rows or no feature, or a name comes twice.
    """

    def __init__(self, tables: Sequence[EmbeddingBagConfig], *, generator: torch.Generator) -> None:
        super().__init__()
        _check(tables)
        self.tables = tuple(tables)
        self.embedding_dim = tables[0].embedding_dim
        self._features = _lay_out(tables)
        self._single = [feature for feature in self._features if feature.pooling is None]
        self._bags = [feature for feature in self._features if feature.pooling is not None]
        self.table = FullTable([table.num_embeddings for table in tables], self.embedding_dim, generator=generator)
        self._offset_S: Tensor
        self._rows_S: Tensor
        offset_S = torch.tensor([feature.offset for feature in self._single], dtype=torch.int64)
        rows_S = torch.tensor([feature.num_embeddings for feature in self._single], dtype=torch.int64)
        self.register_buffer("_offset_S", offset_S, persistent=False)
        self.register_buffer("_rows_S", rows_S, persistent=False)

    @classmethod
    def side_by_side(cls, collections: Sequence[EmbeddingBagCollection]) -> EmbeddingBagCollection:
        """Copies of collections over the same features as one, their vectors one behind the other.

        Raises:
            ValueError: the tables have other features or numbers of rows.
        """
        layouts = [[replace(table, embedding_dim=1) for table in one.tables] for one in collections]
        if any(layout != layouts[0] for layout in layouts):
            raise ValueError("expected collections over the same tables, received others")
        width = sum(one.embedding_dim for one in collections)
        tables = [replace(table, embedding_dim=width) for table in layouts[0]]
        result = cls(tables, generator=torch.Generator())
        with torch.no_grad():
            result.table.weight.copy_(torch.cat([one.table.weight for one in collections], dim=1))
        return result

    @property
    def feature_names(self) -> list[str]:
        """The S single-valued features: the columns of ``ids_BS``."""
        return [feature.name for feature in self._single]

    @property
    def bag_names(self) -> list[str]:
        """The features that come as bags."""
        return [feature.name for feature in self._bags]

    @property
    def num_features(self) -> int:
        """F."""
        return len(self._features)

    def forward(self, sparse: SparseFeatures) -> Tensor:
        """The vectors [B, F, D] of a batch.

        Raises:
            ValueError: ids have another number of columns, or bags are missing.
        """
        ids_BS = sparse.ids_BS
        if ids_BS.dim() != 2 or ids_BS.shape[1] != len(self._single) or (sparse.bags is None and self._bags):
            raise ValueError(
                f"expected ids [B, {len(self._single)}] and the bags {self.bag_names}, received the shape "
                f"{tuple(ids_BS.shape)} and {'no bags' if sparse.bags is None else list(sparse.bags.keys)}"
            )
        embedded_BSD: Tensor = self.table(_known(ids_BS, self._rows_S) + self._offset_S)
        if sparse.bags is None or not self._bags:
            return embedded_BSD
        pooled = []
        for feature in self._bags:
            assert feature.pooling is not None, "a bag is pooled"
            values, offsets = sparse.bags.key(feature.name)
            rows = _known(values, feature.num_embeddings) + feature.offset
            pooled.append(self.table.pool(rows, offsets, feature.pooling))
        return torch.cat([embedded_BSD, torch.stack(pooled, dim=1)], dim=1)

    def serving_half(self) -> EmbeddingLookup:
        """The collection as plain arrays with a NumPy ``lookup``."""
        return EmbeddingLookup(self._features, self.table.serving_half())

    def rows_of(self, table_name: str) -> Tensor:
        """A view of one table's weights [rows, D], to read or to start from an earlier model's."""
        start = 0
        for table in self.tables:
            if table.name == table_name:
                return self.table.weight.detach()[start : start + table.num_embeddings]
            start += table.num_embeddings
        names = ", ".join(table.name for table in self.tables)
        raise ValueError(f"expected one of the tables {names}, received {table_name!r}")


def _known(ids: Tensor, num_embeddings: Tensor | int) -> Tensor:
    return torch.where((ids >= 0) & (ids < num_embeddings), ids, UNKNOWN_ROW)


def _lay_out(tables: Sequence[EmbeddingBagConfig]) -> list[FeatureRows]:
    single, bags, offset = [], [], 0
    for table in tables:
        single += [FeatureRows(name, offset, table.num_embeddings) for name in table.feature_names]
        bags += [FeatureRows(name, offset, table.num_embeddings, table.pooling) for name in table.bag_names]
        offset += table.num_embeddings
    return single + bags


def _check(tables: Sequence[EmbeddingBagConfig]) -> None:
    if not tables:
        raise ValueError("expected at least one embedding table, received none")
    for table in tables:
        if table.embedding_dim != tables[0].embedding_dim:
            raise ValueError(
                f"expected tables of one width, {tables[0].name} has {tables[0].embedding_dim} and {table.name} "
                f"{table.embedding_dim}; give each width its own collection"
            )
        if table.num_embeddings < 2 or not table.feature_names + table.bag_names:
            raise ValueError(
                f"table {table.name}: expected rows for padding and unknown and at least one feature, received "
                f"{table.num_embeddings} rows and the features {table.feature_names + table.bag_names}"
            )
    for names in (
        [table.name for table in tables],
        [name for table in tables for name in table.feature_names + table.bag_names],
    ):
        if len(set(names)) < len(names):
            raise ValueError(f"expected each name once, received {names}")
