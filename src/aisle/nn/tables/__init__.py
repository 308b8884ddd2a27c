"""The training half of each kind of embedding table; the serving half stands in ``aisle.pipeline.tables``."""

from aisle.nn.tables.full import FullTable

__all__ = ["FullTable"]
