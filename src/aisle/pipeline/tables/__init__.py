"""The serving half of each kind of embedding table: plain arrays and a NumPy ``lookup``, without torch."""

from aisle.pipeline.tables.contract import LookupTable
from aisle.pipeline.tables.full import FullLookup
from aisle.pipeline.tables.hashed import HashedLookup
from aisle.pipeline.tables.kinds import table_kind
from aisle.pipeline.tables.low_rank import LowRankLookup
from aisle.pipeline.tables.quotient_remainder import QuotientRemainderLookup

__all__ = ["FullLookup", "HashedLookup", "LookupTable", "LowRankLookup", "QuotientRemainderLookup", "table_kind"]
