"""Writing events: a few at a time as they come live, and in bulk as they are imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import orjson
import polars as pl
import sqlalchemy as sa

from aisle.errors import SchemaError
from aisle.schema import Event
from aisle.store import tables
from aisle.store.connection import Database, driver_of, driver_sql
from aisle.store.contract import EVENT_FRAME, ImportMark, WriteResult
from aisle.store.identities import in_json, rows_for
from aisle.store.progress import Clock, ImportMarks

_COLUMNS = tuple(column.name for column in tables.events.columns)
#: So many rows go into one statement: binding them costs less than stepping through single rows.
_ROWS_PER_INSERT = 1000

_KNOWN_IDS = driver_sql(
    sa.select(tables.events.c.event_id).where(in_json(tables.events.c.event_id), tables.events.c.item_index == 0),
)
_HIGHEST_SEQ = (
    "SELECT max(coalesce((SELECT max(seq) FROM events), 0), "
    "coalesce((SELECT value FROM counters WHERE name = 'seq'), 0))"
)


@cache
def _insert_sql(columns: tuple[str, ...], num_rows: int) -> str:
    places = f"({', '.join('?' * len(columns))})"
    return f"INSERT OR IGNORE INTO events ({', '.join(columns)}) VALUES {', '.join([places] * num_rows)}"


@dataclass(frozen=True)
class EventWrites:
    """The two ways in; an event whose id is in the store already is a duplicate and changes nothing."""

    database: Database
    clock: Clock
    marks: ImportMarks

    def add_events(self, events: Sequence[Event], event_ids: Sequence[str]) -> WriteResult:
        """Add events as they come live, each under its id.

        An event without a time happens now; one stamped later than the workspace's clock counts as of now and keeps
        its stamp.
        """
        if len(events) != len(event_ids):
            raise ValueError(f"expected one id per event, received {len(events)} events and {len(event_ids)} ids")
        if not events:
            return WriteResult(0, 0)
        with self.database.write() as connection:
            now = self.clock.now_within(connection)
            seen = _known_ids(connection, event_ids)
            is_duplicate = []
            fresh: list[tuple[Event, str]] = []
            for event, event_id in zip(events, event_ids, strict=True):
                is_duplicate.append(event_id in seen)
                if event_id not in seen:
                    seen.add(event_id)
                    fresh.append((event, event_id))
            if fresh:
                _insert(connection, _COLUMNS, _live_rows(connection, fresh, now))
        return WriteResult(len(fresh), len(events) - len(fresh), is_duplicate)

    def write_events(self, frame: pl.DataFrame, mark: ImportMark | None = None) -> WriteResult:
        """Write a batch of imported events and, in the same transaction, how far the import has come.

        Args:
            frame: columns of :data:`~aisle.store.contract.EVENT_FRAME`; the items of a list event follow each other.
            mark: saved with the rows.

        Raises:
            SchemaError: the frame has other columns.
        """
        if frame.schema != EVENT_FRAME:
            raise SchemaError(f"expected the columns {dict(EVENT_FRAME)}, received {dict(frame.schema)}")
        num_events = frame.select((pl.col("item_index") == 0).sum()).item()
        user_ids = frame["user_id"].drop_nulls().unique(maintain_order=True).to_list()
        item_ids = frame["item_id"].unique(maintain_order=True).to_list()
        has_lists = num_events < len(frame)
        with self.database.write(is_bulk=True) as connection:
            if has_lists:
                frame = _only_new(connection, frame)
            now = self.clock.now_within(connection)
            users = rows_for(connection, "user", user_ids)
            items = rows_for(connection, "item", item_ids)
            columns, rows = _imported_rows(frame, users, items, now, _next_seq(connection))
            num_inserted = _insert(connection, columns, rows)
            accepted = int(frame.select((pl.col("item_index") == 0).sum()).item()) if has_lists else num_inserted
            if accepted:
                self.clock.follow(connection, frame["timestamp_ms"])
            if mark is not None:
                self.marks.save_within(connection, mark, accepted, num_events - accepted)
        return WriteResult(accepted, num_events - accepted)


def _known_ids(connection: sa.Connection, event_ids: Sequence[str]) -> set[str]:
    wanted = orjson.dumps(list(event_ids)).decode()
    return {event_id for (event_id,) in driver_of(connection).execute(_KNOWN_IDS, (wanted,))}


def _next_seq(connection: sa.Connection) -> int:
    return int(driver_of(connection).execute(_HIGHEST_SEQ).fetchone()[0]) + 1


def _insert(connection: sa.Connection, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> int:
    """Insert rows that are not there yet; returns how many went in."""
    if not rows:
        return 0
    driver = driver_of(connection)
    before = driver.total_changes
    num_full = len(rows) - len(rows) % _ROWS_PER_INSERT
    insert_many = _insert_sql(columns, _ROWS_PER_INSERT)
    for start in range(0, num_full, _ROWS_PER_INSERT):
        driver.execute(insert_many, list(chain.from_iterable(rows[start : start + _ROWS_PER_INSERT])))
    driver.executemany(_insert_sql(columns, 1), rows[num_full:])
    return driver.total_changes - before


def _live_rows(connection: sa.Connection, events: list[tuple[Event, str]], now: int) -> list[tuple[Any, ...]]:
    users = rows_for(connection, "user", (event.user_id for event, _ in events if event.user_id is not None))
    items = rows_for(connection, "item", chain.from_iterable(event.item_ids for event, _ in events))
    seq = _next_seq(connection)
    rows: list[tuple[Any, ...]] = []
    for event, event_id in events:
        stamp = now if event.timestamp is None else event.timestamp
        time_ms = min(stamp, now)
        context = None if event.context is None else context_text(event.context)
        for index, item_id in enumerate(event.item_ids):
            rows.append((
                seq + len(rows), event_id, index, event.type,
                None if event.user_id is None else users[event.user_id], event.session_id, items[item_id],
                time_ms, None if stamp == time_ms else stamp, now,
                event.value, event.quantity, event.price, event.order_id, event.request_id, event.position,
                event.placement, context,
            ))  # fmt: skip
    return rows


def _imported_rows(
    frame: pl.DataFrame, users: dict[str, int], items: dict[str, int], now: int, seq: int
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    frame = frame.with_columns(
        seq=pl.int_range(seq, seq + len(frame), dtype=pl.Int64),
        user_row=_mapped("user_id", users),
        item_row=_mapped("item_id", items),
        time_ms=pl.col("timestamp_ms"),
        stamp_ms=pl.lit(None, pl.Int64),
        received_ms=pl.lit(now, pl.Int64),
    )
    # What no row has need not be bound.
    columns = tuple(name for name in _COLUMNS if frame[name].null_count() < len(frame))
    return columns, frame.select(columns).rows()


def _mapped(column: str, rows: dict[str, int]) -> pl.Expr:
    if not rows:
        return pl.lit(None, pl.Int64)
    keys, values = pl.Series(list(rows), dtype=pl.String), pl.Series(list(rows.values()), dtype=pl.Int64)
    return pl.col(column).replace_strict(keys, values, default=None, return_dtype=pl.Int64)


def _only_new(connection: sa.Connection, frame: pl.DataFrame) -> pl.DataFrame:
    """Leave the events, with all their items, whose id is neither in the store nor earlier in the frame."""
    heads = frame.filter(pl.col("item_index") == 0)["event_id"]
    known = _known_ids(connection, heads.unique().to_list())
    number = (pl.col("item_index") == 0).cum_sum()
    frame = frame.with_columns(_number=number).with_columns(_first=pl.col("_number").min().over("event_id"))
    is_new = (pl.col("_number") == pl.col("_first")) & ~pl.col("event_id").is_in(list(known))
    return frame.filter(is_new).drop("_number", "_first")


def context_text(context: dict[str, Any]) -> str:
    """An event's context as the store keeps it."""
    return orjson.dumps(context, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
