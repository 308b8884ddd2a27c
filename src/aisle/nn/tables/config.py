"""What a collection is told of each of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from aisle.nn.tables.kinds import Full, TableKind, Thresholded

Pooling = Literal["sum", "mean"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingBagConfig:
    """One table and the features that look it up.

    Attributes:
        name: The table's name.
        num_embeddings: Ids; the first two are padding and the unknown id.
        embedding_dim: Width of a looked up vector.
        feature_names: Single-valued features that share the table.
        bag_names: Features with several ids that share it.
        pooling: How a bag's vectors become one.
        kind: How the table is stored.
    """

    name: str
    num_embeddings: int
    embedding_dim: int
    feature_names: tuple[str, ...] = ()
    bag_names: tuple[str, ...] = ()
    pooling: Pooling = "mean"
    kind: TableKind = field(default_factory=Full)

    @property
    def first_unknown(self) -> int:
        """From this id on all are unknown."""
        if isinstance(self.kind, Thresholded):
            return self.kind.stored_rows(self.num_embeddings)
        return self.num_embeddings


def check_tables(tables: Sequence[EmbeddingBagConfig]) -> None:
    """Refuse what no collection can hold.

    Raises:
        ValueError: widths differ, a table has fewer than two rows or no feature, or a name comes twice.
    """
    if not tables:
        raise ValueError("expected at least one embedding table, received none")
    for table in tables:
        if table.embedding_dim != tables[0].embedding_dim:
            raise ValueError(
                f"expected tables of one width, {tables[0].name} has {tables[0].embedding_dim} and {table.name} "
                f"{table.embedding_dim}; give each width its own collection, or a low-rank table its width"
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
