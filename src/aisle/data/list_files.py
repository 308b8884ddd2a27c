"""Files of interactions or lists as pairs of a user and an item, with what else is known of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from aisle.data.tables import find_table
from aisle.errors import DataError
from aisle.recipe.list_data import ListColumnsSpec


def read_pairs(name: str, columns: ListColumnsSpec) -> pl.DataFrame:
    """Pairs ``user`` and ``item`` of a file, users together and in the order of their ids, items in their order.

    Where the columns are named, each pair has its ``action`` (of an enumeration of their values in order) and its
    ``time`` in seconds.

    Raises:
        DataError: the file is missing, lacks a column, or has empty values; times are neither numbers nor dates.
    """
    if columns.items is not None:
        frame = read_columns(name, [columns.user, columns.items])
        frame = frame.select(pl.col(columns.user).alias("user"), pl.col(columns.items).alias("item"))
        return frame.sort("user", maintain_order=True).explode("item").drop_nulls()
    assert columns.item is not None, "the specification has one of the two"
    named = (columns.user, columns.item, columns.order, columns.value, columns.action, columns.time)
    frame = read_columns(name, list(dict.fromkeys(column for column in named if column is not None)))
    if columns.value is not None:
        frame = frame.filter(pl.col(columns.value) >= columns.min_value)
    by = [columns.user] if columns.order is None else [columns.user, columns.order]
    frame = frame.sort(by, maintain_order=True)
    pairs = frame.select(pl.col(columns.user).alias("user"), pl.col(columns.item).alias("item"))
    if columns.action is not None:
        actions = frame[columns.action]
        names = pl.Enum(actions.unique().sort().cast(pl.String))
        pairs = pairs.with_columns(actions.cast(pl.String).cast(names).alias("action"))
    if columns.time is not None:
        pairs = pairs.with_columns(_seconds(frame[columns.time], name).alias("time"))
    return pairs


def action_names(pairs: pl.DataFrame) -> tuple[str, ...]:
    """The names of the actions in pairs, in the order of their rows; none where pairs have no actions."""
    actions = pairs.schema.get("action")
    return tuple(actions.categories) if isinstance(actions, pl.Enum) else ()


def read_columns(name: str, columns: list[str]) -> pl.DataFrame:
    """Columns of a Parquet or CSV file, all with values; a relative name is sought as :func:`find_table` does.

    Raises:
        DataError: the file is missing, lacks a column, or has empty values.
    """
    table = read_table(name, columns)
    if any(table[column].null_count() for column in columns):
        raise DataError(f"{name}: expected values in the columns {', '.join(columns)}, received empty ones")
    return table


def read_table(name: str, columns: list[str]) -> pl.DataFrame:
    """Columns of a Parquet or CSV file; a relative name is sought as :func:`find_table` does.

    Raises:
        DataError: the file is missing or lacks a column.
    """
    path = find_table(name)
    read: Callable[[Path], pl.LazyFrame] = pl.scan_parquet if path.suffix == ".parquet" else pl.scan_csv
    try:
        frame = read(path)
        missing = [column for column in columns if column not in frame.collect_schema().names()]
        if missing:
            raise DataError(
                f"{path}: expected the columns {', '.join(columns)}, received {', '.join(frame.collect_schema())}"
            )
        return frame.select(columns).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: expected Parquet or CSV, it cannot be read ({error})") from error


def _seconds(times: pl.Series, name: str) -> pl.Series:
    if isinstance(times.dtype, pl.Date | pl.Datetime):
        return times.cast(pl.Datetime("us")).dt.epoch("s")
    if times.dtype.is_numeric():
        return times.cast(pl.Int64)
    raise DataError(f"{name}: expected seconds or dates in the column {times.name}, received {times.dtype}")
