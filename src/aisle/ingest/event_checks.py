"""Checks a frame of events column by column; whatever is not plainly right goes through the record, one by one.

The fast way takes a row only where the record would take it, with the same values (a property test holds that). So
what a rejected row's reason is, and what odd but valid forms mean, is written once: in :mod:`aisle.schema`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from aisle.ingest.chunks import Rejected
from aisle.ingest.event_ids import context_text
from aisle.ingest.mapping import FieldMap
from aisle.ingest.records import CheckedRow, check_row, datetime_ms, readable_rows
from aisle.schema import Event
from aisle.schema.identity import ITEM_SEPARATOR
from aisle.schema.records import MAX_ID_LENGTH, MAX_ITEMS_PER_EVENT, MAX_WHOLE_FLOAT
from aisle.schema.time import MAX_MS, MILLISECONDS_FROM, MIN_MS

#: Checked events, one row each: ``items`` are joined by a separator that no id holds, ``context`` is JSON.
CHECKED_FRAME = pl.Schema(
    {
        "line": pl.Int64,
        "type": pl.String,
        "user_id": pl.String,
        "session_id": pl.String,
        "items": pl.String,
        "timestamp_ms": pl.Int64,
        "event_id": pl.String,
        "value": pl.Float64,
        "quantity": pl.Float64,
        "price": pl.Float64,
        "order_id": pl.String,
        "request_id": pl.String,
        "position": pl.Int32,
        "placement": pl.String,
        "context": pl.String,
    }
)

_IDS = ("user_id", "session_id", "item_id", "event_id", "order_id", "request_id", "placement")
_MAX_NUMBER = 1e15
_DECIMAL = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"
_TYPE = r"^[a-z][a-z0-9_]{0,63}$"
_MOMENT = (
    r"^(\d{4}-\d{2}-\d{2})[T ]((?:[01]\d|2[0-3]):[0-5]\d)(:[0-5]\d)?(?:\.(\d{1,6}))?"
    r"(?:(Z)|([+-])([01]\d|2[0-3]):?([0-5]\d))?$"
)


@dataclass(frozen=True)
class CheckedEvents:
    """The good rows as :data:`CHECKED_FRAME` in the order of the file, the others, and how many had no zone."""

    frame: pl.DataFrame
    rejected: list[Rejected]
    num_naive_times: int


@dataclass(frozen=True)
class _Column:
    """One field of all rows: its values, where they are plainly right, and for times where a zone was given."""

    values: pl.Expr
    is_right: pl.Expr


def check_frame(frame: pl.DataFrame, lines: list[int], mapping: FieldMap, columns: dict[str, str]) -> CheckedEvents:
    """Check events that came as a frame.

    Args:
        frame: the file's columns.
        lines: the line of each row.
        mapping: for the fields that are constant.
        columns: for each other field its column.
    """
    fields = frame.select(
        *(pl.col(column).alias(name) for name, column in columns.items()),
        *(pl.lit(text).alias(name) for name, text in mapping.constants.items()),
    )
    fields = fields.with_columns(_plain(fields[name]) for name in fields.columns)
    fast, is_right, is_naive = _check_columns(fields)
    fast = fast.with_columns(line=pl.Series(lines, dtype=pl.Int64)).select(CHECKED_FRAME.names())
    if is_right.all():
        return CheckedEvents(fast, [], int(is_naive.sum()))
    odd = ~is_right
    numbers = pl.Series(lines, dtype=pl.Int64).filter(odd).to_list()
    values = readable_rows(fields.filter(odd))
    rows = readable_rows(frame.filter(odd))
    checked = [check_row("events", line, value, row) for line, value, row in zip(numbers, values, rows, strict=True)]
    slow, rejected, num_naive = collect_events(checked)
    # The two ways are put together in the order of the file: the numbers of identical rows depend on it.
    whole = pl.concat([fast.filter(is_right), slow]).sort("line")
    return CheckedEvents(whole, rejected, int((is_naive & is_right).sum()) + num_naive)


def collect_events(checked: list[CheckedRow | Rejected]) -> tuple[pl.DataFrame, list[Rejected], int]:
    """Rows that were checked one by one, as a frame, the rejected ones, and how many times had no zone."""
    good = [row for row in checked if isinstance(row, CheckedRow)]
    frame = pl.DataFrame(
        [_event_row(row.line, row.record) for row in good if isinstance(row.record, Event)],
        schema=CHECKED_FRAME,
        orient="row",
    )
    rejected = [row for row in checked if isinstance(row, Rejected)]
    return frame, rejected, sum(row.has_naive_time for row in good)


def _event_row(line: int, event: Event) -> tuple[Any, ...]:
    return (
        line,
        event.type,
        event.user_id,
        event.session_id,
        ITEM_SEPARATOR.join(event.item_ids),
        event.timestamp,
        event.event_id,
        event.value,
        event.quantity,
        event.price,
        event.order_id,
        event.request_id,
        event.position,
        event.placement,
        context_text(event.context),
    )


def _plain(column: pl.Series) -> pl.Series:
    """A column in one of few types, where missing values are null."""
    dtype = column.dtype
    if dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    elif isinstance(dtype, pl.Decimal) or dtype == pl.Float32:
        column = column.cast(pl.Float64)
    elif dtype == pl.Date:
        column = column.cast(pl.Datetime("ms"))
    elif isinstance(dtype, pl.List) and dtype.inner != pl.String:
        inner = dtype.inner
        column = column.cast(pl.List(pl.String)) if inner is not None and inner.is_integer() else column
    if column.dtype == pl.String:
        column = column.str.strip_chars()
        return column.replace("", None)
    return column.fill_nan(None) if column.dtype == pl.Float64 else column


def _check_columns(fields: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    def checked(name: str, check: Callable[[str, pl.DataType], _Column]) -> _Column:
        if name not in fields.columns:
            return _Column(pl.lit(None), pl.lit(True))
        return check(name, fields.schema[name])

    columns = {name: checked(name, _check_id) for name in _IDS}
    columns["type"] = checked("type", _check_type)
    columns["items"] = checked("items", _check_items)
    columns["position"] = checked("position", _check_position)
    columns["context"] = checked("context", _check_context)
    for name in ("value", "quantity", "price"):
        columns[name] = checked(name, _check_number)
    columns["quantity"], columns["price"] = (_not_negative(columns[name]) for name in ("quantity", "price"))
    moments = _moments(fields)
    one_item = columns["item_id"].values.is_null() != columns["items"].values.is_null()
    someone = columns["user_id"].values.is_not_null() | columns["session_id"].values.is_not_null()
    in_range = pl.col("_ms").is_between(MIN_MS, MAX_MS)
    is_right = pl.all_horizontal(
        *(column.is_right for column in columns.values()),
        columns["type"].values.is_not_null(),
        one_item,
        someone,
        in_range,
    ).fill_null(False)
    columns["items"] = _Column(
        pl.coalesce(columns["item_id"].values.cast(pl.String), columns["items"].values), is_right
    )
    columns["timestamp_ms"] = _Column(pl.col("_ms"), is_right)
    names = [name for name in CHECKED_FRAME if name != "line"]
    fast = fields.with_columns(moments).select(
        *(columns[name].values.cast(CHECKED_FRAME[name], strict=False).alias(name) for name in names),
        _is_right=is_right,
        _is_naive=pl.col("_is_naive"),
    )
    return fast.select(names), fast["_is_right"], fast["_is_naive"]


def _check_id(name: str, dtype: pl.DataType) -> _Column:
    value = pl.col(name)
    if dtype == pl.String:
        is_short = value.str.len_bytes() <= MAX_ID_LENGTH  # in bytes: more than it need be, and fast
        return _Column(value, value.is_null() | (is_short & ~value.str.contains(r"[\x00-\x1f]")))
    if dtype.is_integer():
        return _Column(value.cast(pl.String), pl.lit(True))
    if dtype == pl.Float64:
        whole = value.is_null() | ((value == value.floor()) & (value.abs() < MAX_WHOLE_FLOAT))
        return _Column(value.cast(pl.Int64, strict=False).cast(pl.String), whole)
    return _odd(name)


def _odd(name: str) -> _Column:
    """A column of a type that only the record understands."""
    return _Column(pl.lit(None), pl.col(name).is_null())


def _check_type(name: str, dtype: pl.DataType) -> _Column:
    if dtype != pl.String:
        return _odd(name)
    return _Column(pl.col(name), pl.col(name).str.contains(_TYPE))


def _check_items(name: str, dtype: pl.DataType) -> _Column:
    if dtype != pl.List(pl.String):
        return _odd(name)
    value = pl.col(name)
    one = pl.element()
    is_id = (one.str.len_bytes().is_between(1, MAX_ID_LENGTH)) & ~one.str.contains(r"[\x00-\x1f]|^\s|\s$")
    are_ids = value.list.eval(is_id.fill_null(False)).list.all()
    is_right = value.is_null() | (value.list.len().is_between(1, MAX_ITEMS_PER_EVENT) & are_ids)
    return _Column(value.list.join(ITEM_SEPARATOR), is_right)


def _check_number(name: str, dtype: pl.DataType) -> _Column:
    value = pl.col(name)
    if dtype == pl.String:
        is_decimal = value.is_null() | value.str.contains(_DECIMAL)
        return _Column(value.cast(pl.Float64, strict=False), is_decimal)
    if dtype.is_integer() or dtype == pl.Float64:
        number = value.cast(pl.Float64)
        return _Column(number, value.is_null() | number.is_between(-_MAX_NUMBER, _MAX_NUMBER))
    return _odd(name)


def _not_negative(column: _Column) -> _Column:
    is_right = column.is_right & (column.values.is_null() | (column.values.cast(pl.Float64) >= 0))
    return _Column(column.values, is_right)


def _check_position(name: str, dtype: pl.DataType) -> _Column:
    value = pl.col(name)
    if dtype == pl.String:
        return _Column(value.cast(pl.Int64, strict=False), value.is_null() | value.str.contains(r"^[0-9]{1,6}$"))
    if dtype.is_integer() or dtype == pl.Float64:
        is_right = value.is_null() | (value.is_between(0, 1_000_000) & (value == value.cast(pl.Int64, strict=False)))
        return _Column(value.cast(pl.Int64, strict=False), is_right)
    return _odd(name)


def _check_context(name: str, dtype: pl.DataType) -> _Column:
    return _odd(name)


def _moments(fields: pl.DataFrame) -> list[pl.Expr]:
    """``_ms``, null where only the record can tell, and ``_is_naive``."""
    value, dtype = pl.col("timestamp"), fields.schema["timestamp"]
    if isinstance(dtype, pl.Datetime):
        return [
            datetime_ms(value, dtype).alias("_ms"),
            (value.is_not_null() & pl.lit(dtype.time_zone is None)).alias("_is_naive"),
        ]
    if dtype.is_integer():
        whole = value.cast(pl.Int64, strict=False)
        return _unix_moments(whole, whole, whole * 1000)
    if dtype == pl.Float64:
        return _unix_moments(value, value.round(mode="half_to_even"), (value * 1000).round(mode="half_to_even"))
    if dtype == pl.String:
        return _text_moments(value)
    return [pl.lit(None, pl.Int64).alias("_ms"), pl.lit(False).alias("_is_naive")]


def _unix_moments(value: pl.Expr, as_ms: pl.Expr, as_seconds: pl.Expr) -> list[pl.Expr]:
    # Not `abs`: the least whole number has none.
    is_ms = (value >= MILLISECONDS_FROM) | (value <= -MILLISECONDS_FROM)
    in_reach = value.is_between(-MAX_MS, MAX_MS)
    milliseconds = pl.when(in_reach).then(pl.when(is_ms).then(as_ms).otherwise(as_seconds))
    return [milliseconds.cast(pl.Int64, strict=False).alias("_ms"), pl.lit(False).alias("_is_naive")]


def _text_moments(value: pl.Expr) -> list[pl.Expr]:
    parts = value.str.extract_groups(_MOMENT)
    day, minute, second, fraction, utc, sign, hours, minutes = (parts.struct[index] for index in range(8))
    text = pl.concat_str([day, pl.lit("T"), minute, second.fill_null(":00")])
    base = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms", strict=False).to_physical()
    part = (fraction.fill_null("") + pl.lit("000")).str.head(3).cast(pl.Int64, strict=False)
    offset = (hours.cast(pl.Int64) * 60 + minutes.cast(pl.Int64)) * pl.when(sign == "-").then(-60_000).otherwise(60_000)
    # A fraction needs seconds before it; the record may think otherwise.
    is_usual = fraction.is_null() | second.is_not_null()
    milliseconds = pl.when(is_usual).then(base + part - offset.fill_null(0))
    return [milliseconds.alias("_ms"), (milliseconds.is_not_null() & utc.is_null() & sign.is_null()).alias("_is_naive")]
