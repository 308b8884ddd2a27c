"""One row at a time: what a file's cell means, whether the row is a record, and if not, why in few words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl
from pydantic import BaseModel, ValidationError

from aisle.ingest.chunks import Rejected
from aisle.ingest.mapping import RECORDS, Kind
from aisle.schema import format_timestamp, has_zone
from aisle.schema.time import MAX_MS, MIN_MS

_LISTS = {"items", "category"}
_MAPS = {"attributes", "context"}
_TIMES = {"timestamp", "created_at", "updated_at"}

#: pydantic's name of a fault, and what we call it in a report.
_FAULTS = {
    "missing": "missing",
    "string_type": "not a text",
    "string_too_short": "empty",
    "string_too_long": "too long",
    "string_pattern_mismatch": "not of the expected form",
    "string_unicode": "not a text",
    "too_short": "empty",
    "too_long": "too many",
    "list_type": "not a list",
    "dict_type": "not a map",
    "greater_than_equal": "too small",
    "less_than_equal": "too large",
    "finite_number": "not finite",
    "bool_parsing": "not true or false",
    "bool_type": "not true or false",
    "extra_forbidden": "not a known field",
}


@dataclass(frozen=True)
class CheckedRow:
    """A row that is a record, its line, and whether a time in it had no zone."""

    line: int
    record: BaseModel
    has_naive_time: bool


def check_row(kind: Kind, line: int, fields: dict[str, Any], row: Any) -> CheckedRow | Rejected:
    """Make a record of a row's fields.

    Args:
        kind: what record.
        line: its line in the file.
        fields: values by field name, as the file has them.
        row: the row as the file has it, for the rejects.
    """
    try:
        values = {name: cell for name, value in fields.items() if (cell := _cell(name, value)) is not None}
        record = RECORDS[kind].model_validate(values)
        if kind == "events" and "timestamp" not in values:
            return Rejected(line, "timestamp: missing", "expected a timestamp, found none", row)
    except ValidationError as error:
        return _rejected(line, error, row)
    except _CellError as error:
        return Rejected(line, str(error), str(error), row)
    has_naive_time = any(name in values and not has_zone(values[name]) for name in _TIMES)
    return CheckedRow(line, record, has_naive_time)


def readable_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows as Python values; calendar times as text, for Python's calendar ends before a column's."""
    times = (_time_texts(column) for column in frame.get_columns() if isinstance(column.dtype, pl.Datetime))
    return frame.with_columns(times).to_dicts()


def datetime_ms(value: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Milliseconds since 1970 of a column of calendar times; parts of one are cut off."""
    return value.to_physical() // {"ms": 1, "us": 1000, "ns": 1_000_000}[dtype.time_unit]


def _time_texts(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    assert isinstance(dtype, pl.Datetime)
    times = pl.select(datetime_ms(pl.lit(column), dtype)).to_series().to_list()
    zone = "" if dtype.time_zone is None else "Z"
    return pl.Series(column.name, [None if ms is None else _time_text(ms, zone) for ms in times], dtype=pl.String)


def _time_text(ms: int, zone: str) -> str:
    return format_timestamp(ms).removesuffix("Z") + zone if MIN_MS <= ms <= MAX_MS else f"{ms} ms since 1970"


class _CellError(ValueError):
    """A cell that cannot be taken apart; its text is the reason."""


def _cell(name: str, value: Any) -> Any:
    """A cell's value: empty text and NaN are missing; lists and maps may come as text."""
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if name in _LISTS:
            return _list(name, value)
        if name in _MAPS:
            return _parsed(name, value)
    elif isinstance(value, float) and math.isnan(value):
        return None
    return value


def _list(name: str, text: str) -> Any:
    """A JSON list, or values between bars or, for a category, the usual ``>``."""
    if text.startswith("["):
        return _parsed(name, text)
    separator = ">" if name == "category" and " > " in text else "|"
    return [part.strip() for part in text.split(separator)]


def _parsed(name: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _CellError(f"{name}: not JSON") from None


def _rejected(line: int, error: ValidationError, row: Any) -> Rejected:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    fault = _FAULTS.get(first["type"])
    if fault is None:
        fault = _value_fault(field, first["type"])
    if not field:
        # A rule over several fields: its text has no values in it.
        reason = str(first.get("ctx", {}).get("error", first["msg"]))
        return Rejected(line, reason, reason, row)
    received = repr(first.get("input"))
    detail = f"{field}: {first['msg']}, received {received if len(received) <= 100 else received[:97] + '...'}"
    return Rejected(line, f"{field}: {fault}", detail, row)


def _value_fault(field: str, fault: str) -> str:
    if field in _TIMES:
        return "not a time"
    if field in _MAPS:
        return "not a map that can be kept"
    if fault.startswith(("float", "int")):
        return "not a number" if fault.startswith("float") else "not a whole number"
    return "not of the expected form"
