"""What tables take, and what full ones would."""

from __future__ import annotations

from dataclasses import dataclass

from aisle.nn.tables.config import EmbeddingBagConfig

BYTES_PER_NUMBER = 4  # tables are trained in float32


@dataclass(frozen=True)
class TableSize:
    """The numbers behind one table.

    Attributes:
        name: The table's.
        kind: As recipes name it.
        num_embeddings: Ids, padding and unknown included.
        num_parameters: Trained numbers; an optimizer's state is not counted.
        full_parameters: Those of a full table.
    """

    name: str
    kind: str
    num_embeddings: int
    num_parameters: int
    full_parameters: int

    @classmethod
    def of(cls, table: EmbeddingBagConfig, num_parameters: int) -> TableSize:
        """That of a table behind whose vectors stand so many numbers."""
        full = table.num_embeddings * table.embedding_dim
        return cls(table.name, table.kind.name, table.num_embeddings, num_parameters, full)

    @property
    def num_bytes(self) -> int:
        """Of the table."""
        return BYTES_PER_NUMBER * self.num_parameters

    @property
    def full_bytes(self) -> int:
        """Of a full table."""
        return BYTES_PER_NUMBER * self.full_parameters
