"""Reading events: a visitor's last ones for a request, all of them for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl
import sqlalchemy as sa

from aisle.schema import Event
from aisle.store.connection import Database, driver_sql
from aisle.store.contract import TRAINING_FRAME, UNTOLD_TYPE, HistoryRows, StoredEvent
from aisle.store.identities import IdMaps
from aisle.store.tables import events, user_ids

_USER = sa.select(user_ids.c.row).where(user_ids.c.id == sa.bindparam("user_id")).scalar_subquery()
_HISTORY = sa.select(
    events.c.time_ms, events.c.seq, events.c.type, events.c.item_row, events.c.quantity, events.c.price
)
#: Seeing a list says nothing by itself, and lists are many: they must not push what was done out of a history.
_DONE = events.c.type != UNTOLD_TYPE
_NEWEST_FIRST = (events.c.time_ms.desc(), events.c.seq.desc())
_LIMIT: sa.BindParameter[int] = sa.bindparam("limit")
_IN_SESSION = events.c.session_id == sa.bindparam("session_id")

_USER_HISTORY = driver_sql(_HISTORY.where(events.c.user_row == _USER, _DONE).order_by(*_NEWEST_FIRST).limit(_LIMIT))
_SESSION_HISTORY = driver_sql(_HISTORY.where(_IN_SESSION, _DONE).order_by(*_NEWEST_FIRST).limit(_LIMIT))
_ANONYMOUS_HISTORY = driver_sql(
    _HISTORY.where(_IN_SESSION, events.c.user_row.is_(None), _DONE).order_by(*_NEWEST_FIRST).limit(_LIMIT)
)
_ITEMS = sa.select(events.c.item_row).distinct()
_OF_TYPE = events.c.type == sa.bindparam("type")
_USER_ITEMS = driver_sql(_ITEMS.where(events.c.user_row == _USER, _OF_TYPE))
_SESSION_ITEMS = driver_sql(_ITEMS.where(_IN_SESSION, _OF_TYPE))
_ANONYMOUS_ITEMS = driver_sql(_ITEMS.where(_IN_SESSION, _OF_TYPE, events.c.user_row.is_(None)))
_USER_EVENTS = driver_sql(
    sa.select(events.c.event_id)
    .where(events.c.user_row == _USER, events.c.item_index == 0)
    .order_by(*_NEWEST_FIRST)
    .limit(_LIMIT)
)
_EVENT_ROWS = driver_sql(
    sa.select(events).where(events.c.event_id == sa.bindparam("event_id")).order_by(events.c.item_index)
)
_SCAN_COLUMNS = [events.c[name] for name in TRAINING_FRAME]
_SCAN = driver_sql(
    sa.select(*_SCAN_COLUMNS)
    .where(events.c.seq > sa.bindparam("after"), events.c.seq <= sa.bindparam("last"))
    .where(events.c.time_ms < sa.bindparam("before"))
    .order_by(events.c.seq)
    .limit(_LIMIT)
)
_LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM events"
_END_OF_TIME_MS = 2**62

#: What one event of a type counts towards popularity.
POPULARITY_WEIGHTS = {"purchase": 1.0, "add_to_cart": 0.3, "like": 0.3, "view": 0.1}
_WEIGHT = sa.case(POPULARITY_WEIGHTS, value=events.c.type, else_=0.0)
_POPULAR = (
    sa.select(events.c.item_row, sa.func.sum(_WEIGHT).label("weight"))
    .where(events.c.time_ms >= sa.bindparam("since"), events.c.type.in_(list(POPULARITY_WEIGHTS)))
    .group_by(events.c.item_row)
    .order_by(sa.desc("weight"), events.c.item_row)
    .limit(_LIMIT)
)


@dataclass(frozen=True)
class EventReads:
    """The reads; none of them waits for a writer."""

    database: Database
    id_maps: IdMaps

    def history(self, user_id: str | None, session_id: str | None, limit: int) -> HistoryRows:
        """The last events of a visitor but impressions, oldest first, one row per item.

        With a user: the user's events and those of the session that belong to nobody. With a session alone: all of
        the session's events.
        """
        rows: list[tuple[Any, ...]] = []
        with self.database.reader() as driver:
            if user_id is not None:
                rows = driver.execute(_USER_HISTORY, (user_id, limit)).fetchall()
            if session_id is not None:
                query = _SESSION_HISTORY if user_id is None else _ANONYMOUS_HISTORY
                rows += driver.execute(query, (session_id, limit)).fetchall()
        if not rows:
            return HistoryRows()
        rows.sort()
        times, _, types, item_rows, quantities, prices = zip(*rows[-limit:], strict=True)
        ids = self.id_maps.item_ids_to(max(item_rows))
        return HistoryRows(
            types=list(types),
            item_ids=[ids[row] for row in item_rows],
            times_ms=list(times),
            quantities=list(quantities),
            prices=list(prices),
        )

    def visitor_items(self, user_id: str | None, session_id: str | None, kind: str) -> set[str]:
        """All items that a visitor (as in :meth:`history`) ever had an event of a type with."""
        rows: list[tuple[int]] = []
        with self.database.reader() as driver:
            if user_id is not None:
                rows = driver.execute(_USER_ITEMS, (user_id, kind)).fetchall()
            if session_id is not None:
                query = _SESSION_ITEMS if user_id is None else _ANONYMOUS_ITEMS
                rows += driver.execute(query, (session_id, kind)).fetchall()
        item_rows = {row for (row,) in rows}
        ids = self.id_maps.item_ids_to(max(item_rows, default=0))
        return {str(ids[row]) for row in item_rows}

    def user_events(self, user_id: str, limit: int) -> list[StoredEvent]:
        """A user's last events, newest first."""
        with self.database.reader() as driver:
            event_ids = [row[0] for row in driver.execute(_USER_EVENTS, (user_id, limit)).fetchall()]
            found = [driver.execute(_EVENT_ROWS, (event_id,)).fetchall() for event_id in event_ids]
        return [self._fold(user_id, rows) for rows in found if rows]

    def _fold(self, user_id: str, rows: list[tuple[Any, ...]]) -> StoredEvent:
        first = dict(zip(events.columns.keys(), rows[0], strict=True))
        item_rows = [row[6] for row in rows]
        ids = self.id_maps.item_ids_to(max(item_rows))
        items = [ids[row] for row in item_rows]
        event = Event.model_construct(
            **{name: first[name] for name in ("type", "session_id", "value", "quantity", "price", "order_id")},
            **{name: first[name] for name in ("request_id", "position", "placement", "event_id")},
            user_id=user_id,
            item_id=items[0] if len(items) == 1 else None,
            items=items if len(items) > 1 else None,
            timestamp=first["time_ms"] if first["stamp_ms"] is None else first["stamp_ms"],
            context=None if first["context"] is None else orjson.loads(first["context"]),
        )
        return StoredEvent(first["event_id"], event, first["received_ms"])

    def scan_events(self, *, before_ms: int | None = None, batch_rows: int = 100_000) -> Iterator[pl.DataFrame]:
        """All events in the order of arrival, as frames of :data:`~aisle.store.contract.TRAINING_FRAME`.

        What arrives during the scan is not part of it; no transaction is held between batches.

        Args:
            before_ms: leave out events at or after this time.
            batch_rows: at most so many rows per frame.
        """
        before_ms = _END_OF_TIME_MS if before_ms is None else before_ms
        last = self.last_seq()
        after = -1
        while after < last:
            with self.database.reader() as driver:
                rows = driver.execute(_SCAN, (after, last, before_ms, batch_rows)).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            yield _training_frame(rows)

    def last_seq(self) -> int:
        """The number of the event that arrived last; 0 where there is none."""
        with self.database.reader() as driver:
            return int(driver.execute(_LAST_SEQ).fetchone()[0])

    def num_events(self) -> int:
        """How many events there are; a list event counts once."""
        query = sa.select(sa.func.count()).where(events.c.item_index == 0)
        with self.database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def popular_items(self, *, since_ms: int, limit: int) -> list[tuple[str, float]]:
        """The items with the most events since a time, weighted by :data:`POPULARITY_WEIGHTS`, best first."""
        with self.database.read() as connection:
            found = connection.execute(_POPULAR, {"since": since_ms, "limit": limit}).all()
        ids = self.id_maps.item_ids_to(max((row.item_row for row in found), default=0))
        return [(str(ids[row.item_row]), float(row.weight)) for row in found]


def _training_frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    columns = zip(*rows, strict=True)
    series = [
        pl.Series(name, column, dtype=dtype)
        for (name, dtype), column in zip(TRAINING_FRAME.items(), columns, strict=True)
    ]
    return pl.DataFrame(series).with_columns(pl.col("user_row").fill_null(0))
