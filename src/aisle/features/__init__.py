"""Features: row transforms with one fitted state and two executions, Polars offline and NumPy online."""

from aisle.features.arrays import Array, Columns, Ragged
from aisle.features.frames import arrays_of, conform, schema_of
from aisle.features.workflow import Workflow

__all__ = ["Array", "Columns", "Ragged", "Workflow", "arrays_of", "conform", "schema_of"]
