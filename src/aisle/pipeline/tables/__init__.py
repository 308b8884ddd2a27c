"""The serving half of each kind of embedding table: plain arrays and a NumPy ``lookup``, without torch."""

from aisle.pipeline.tables.contract import LookupTable
from aisle.pipeline.tables.full import FullLookup
from aisle.pipeline.tables.kinds import table_kind

__all__ = ["FullLookup", "LookupTable", "table_kind"]
