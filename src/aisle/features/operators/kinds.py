"""Every kind of operator by its name in a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aisle.features.operators.bucketize import Bucketize
from aisle.features.operators.categorify import Categorify
from aisle.features.operators.contract import Operator
from aisle.features.operators.cross import Cross
from aisle.features.operators.fill_missing import FillMissing
from aisle.features.operators.hash_bucket import HashBucket
from aisle.features.operators.lists import ListColumns, ListMean, ListSlice
from aisle.features.operators.log import Log
from aisle.features.operators.standardize import Standardize
from aisle.features.operators.target_statistics import TargetStatistics
from aisle.features.operators.time_parts import TimeParts
from aisle.recipe.features import OperatorSpec
from aisle.schema import Schema

_KINDS: dict[str, Callable[[Any, Schema], Operator[Any]]] = {
    Bucketize.kind: Bucketize,
    Categorify.kind: Categorify,
    Cross.kind: Cross,
    FillMissing.kind: FillMissing,
    HashBucket.kind: HashBucket,
    ListColumns.kind: ListColumns,
    ListMean.kind: ListMean,
    ListSlice.kind: ListSlice,
    Log.kind: Log,
    Standardize.kind: Standardize,
    TargetStatistics.kind: TargetStatistics,
    TimeParts.kind: TimeParts,
}


def build_operator(spec: OperatorSpec, schema: Schema) -> Operator[Any]:
    """The operator of one resolved block of configuration, on the columns of a schema.

    Raises:
        SchemaError: it reads a column that is not there, or of another type.
    """
    return _KINDS[spec.kind](spec, schema)


def build_operators(spec: OperatorSpec, schema: Schema) -> list[Operator[Any]]:
    """The operators of a block that names several columns: one for each, or one for all where they belong together."""
    return [build_operator(one, schema) for one in spec.each()]
