"""The training half of each kind of embedding table; the serving half stands in ``aisle.pipeline.tables``."""

from aisle.nn.tables.config import EmbeddingBagConfig
from aisle.nn.tables.contract import ComposedTables
from aisle.nn.tables.full import FullTable
from aisle.nn.tables.kinds import Full, Hashed, LowRank, QuotientRemainder, RowKind, TableKind, Thresholded, kind_of
from aisle.nn.tables.low_rank import LowRankTables
from aisle.nn.tables.quotient_remainder import QuotientRemainderTables
from aisle.nn.tables.sizes import TableSize

__all__ = [
    "ComposedTables",
    "EmbeddingBagConfig",
    "Full",
    "FullTable",
    "Hashed",
    "LowRank",
    "LowRankTables",
    "QuotientRemainder",
    "QuotientRemainderTables",
    "RowKind",
    "TableKind",
    "TableSize",
    "Thresholded",
    "kind_of",
]
