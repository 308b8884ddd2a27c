"""Between Polars and the rest: a frame's schema, its columns as plain arrays, expressions that all operators use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import SchemaError
from aisle.features.arrays import Array, Ragged
from aisle.schema import Column, ColumnType, Schema

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
_DTYPES: dict[ColumnType, pl.DataType] = {
    ColumnType.NUMBER: pl.Float64(),
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.TEXT: pl.String(),
    ColumnType.BOOLEAN: pl.Boolean(),
}


def dtype_of(column: Column) -> pl.DataType:
    """The Polars type that a column of this kind is brought to."""
    dtype = _DTYPES[column.type]
    return pl.List(dtype) if column.is_list else dtype


def column_type(dtype: pl.DataType) -> tuple[ColumnType, bool]:
    """Type, and whether a list, of a Polars type.

    Raises:
        SchemaError: operators do not know the type.
    """
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else dtype
    is_list = isinstance(dtype, pl.List | pl.Array)
    if isinstance(inner, pl.String | pl.Categorical | pl.Enum | pl.Null):
        return ColumnType.TEXT, is_list
    if isinstance(inner, pl.Boolean):
        return ColumnType.BOOLEAN, is_list
    if inner.is_integer() or isinstance(inner, pl.Datetime):
        return ColumnType.INTEGER, is_list
    if inner.is_numeric():
        return ColumnType.NUMBER, is_list
    raise SchemaError(f"expected numbers, text, booleans or lists of them, received the type {dtype}; cast it first")


def schema_of(frame: pl.DataFrame | pl.LazyFrame) -> Schema:
    """The schema of a frame, without tags."""
    kinds = ((name, column_type(dtype)) for name, dtype in frame.collect_schema().items())
    return Schema(Column(name=name, type=kind, is_list=is_list) for name, (kind, is_list) in kinds)


def conform(frame: Frame, schema: Schema) -> Frame:
    """The schema's columns of a frame, brought to their types (times to milliseconds); other columns are kept.

    Raises:
        SchemaError: a column is missing, or does not fit.
    """
    dtypes = frame.collect_schema()
    missing = [name for name in schema.names if name not in dtypes]
    if missing:
        raise SchemaError(f"expected the columns {', '.join(missing)}, received {', '.join(dtypes) or 'none'}")
    try:
        return frame.with_columns(_conformed(dtypes[column.name], column) for column in schema)
    except pl.exceptions.PolarsError as error:
        raise SchemaError(f"expected columns of the types {schema}, received others: {error}"[:600]) from error


def _conformed(dtype: pl.DataType, column: Column) -> pl.Expr:
    kind, is_list = column_type(dtype)
    empty = dtype in (pl.Null, pl.List(pl.Null))
    numeric = {ColumnType.NUMBER, ColumnType.INTEGER, ColumnType.BOOLEAN}
    wider = kind is column.type or (kind in numeric and column.type is ColumnType.NUMBER)
    if (is_list != column.is_list or not wider) and not empty:
        raise SchemaError(f"column {column.name!r}: expected {dtype_of(column)}, received {dtype}; cast it first")
    expression = pl.col(column.name)
    if isinstance(dtype, pl.Datetime):
        expression = expression.dt.epoch("ms")
    return expression.cast(dtype_of(column))


def arrays_of(frame: pl.DataFrame) -> dict[str, Array]:
    """A frame's columns as a request would bring them: the way from offline rows to the online execution."""
    return {series.name: array_of(series) for series in frame}


def array_of(series: pl.Series) -> Array:
    """One column as a plain array (see :mod:`aisle.features.arrays`)."""
    kind, is_list = column_type(series.dtype)
    if is_list:
        lengths_N = series.list.len().fill_null(0).to_numpy()
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths_N, dtype=np.int64)])
        elements = series.filter((series.list.len() > 0).fill_null(False)).explode()
        flat = array_of(elements)
        assert not isinstance(flat, Ragged), "lists of lists have no column type"
        return Ragged(flat, offsets)
    if kind is ColumnType.NUMBER:
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if kind is ColumnType.TEXT or series.null_count():
        array: NDArray[Any] = np.empty(len(series), object)
        array[:] = series.cast(pl.String).to_list() if kind is ColumnType.TEXT else series.to_list()
        return array
    return series.to_numpy()


def number(value: pl.Expr) -> pl.Expr:
    """Numbers as floats with NaN as missing: the one meaning of missing in both executions."""
    return value.cast(pl.Float64).fill_nan(None)


def finite(series: pl.Series) -> NDArray[np.float64]:
    """The finite values of a column: what moments and quantiles are fitted on."""
    values: NDArray[np.float64] = series.cast(pl.Float64).drop_nulls().to_numpy()
    return values[np.isfinite(values)]


def per_element(name: str, column: Column, function: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Apply an expression to a column, or to each element of its lists (a missing list is an empty one)."""
    if not column.is_list:
        return function(pl.col(name))
    return pl.col(name).fill_null(pl.lit([], dtype=dtype_of(column))).list.eval(function(pl.element()))
