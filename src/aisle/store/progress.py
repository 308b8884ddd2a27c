"""The workspace's clock, and the marks that say how far each import has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields

import orjson
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from aisle.store import tables
from aisle.store.connection import Database, driver_of, driver_sql
from aisle.store.contract import ImportMark

_EVENT_MS, _WALL_MS = "clock_event_ms", "clock_wall_ms"

_READ_ANCHOR = driver_sql(
    sa.select(tables.counters.c.name, tables.counters.c.value).where(
        sa.or_(tables.counters.c.name == _EVENT_MS, tables.counters.c.name == _WALL_MS)
    )
)
_READ_MARK = driver_sql(sa.select(tables.imports).where(tables.imports.c.import_key == sa.bindparam("key")))


def wall_ms() -> int:
    """The machine's time in milliseconds."""
    return time.time_ns() // 1_000_000


class Clock:
    """The workspace's time: it stands at the last imported event and runs on from there with the machine's.

    Before the first import it is the machine's time. It never goes back behind the last imported event.
    """

    def __init__(self, database: Database, wall: Callable[[], int] = wall_ms) -> None:
        self._database = database
        self._wall = wall

    def now_ms(self) -> int:
        """The time it is in the workspace."""
        with self._database.reader() as driver:
            anchor: dict[str, int] = dict(driver.execute(_READ_ANCHOR).fetchall())
        return self._now(anchor)

    def now_within(self, connection: sa.Connection) -> int:
        """The same within a transaction, where an anchor may be set that others do not see yet."""
        return self._now(self._anchor(connection))

    def anchor_clock(self, last_event_ms: int) -> None:
        """Let the clock stand at the given time now, unless it is past it already."""
        with self._database.write() as connection:
            self._advance(connection, last_event_ms, self._anchor(connection))

    def follow(self, connection: sa.Connection, times_ms: pl.Series) -> None:
        """Advance to the last of the imported times, as part of the transaction that writes them.

        Times in the machine's future count only where the whole shop lives there (a simulated one may): one wrong
        date must not move a shop's clock past everything that will happen to it.
        """
        anchor = self._anchor(connection)
        wall = self._wall()
        now = self._now(anchor)
        believable = times_ms.filter(times_ms <= max(wall, now))
        if believable.is_empty() and (not anchor or now > wall):
            believable = times_ms
        last = believable.max()
        if isinstance(last, int):
            self._advance(connection, last, anchor)

    def _advance(self, connection: sa.Connection, last_event_ms: int, anchor: dict[str, int]) -> None:
        if anchor and last_event_ms <= self._now(anchor):
            return
        if not anchor:
            # Events that came live before the first import stand on the machine's time: stay past them.
            times = tables.events.c.time_ms
            newest = connection.execute(sa.select(sa.func.max(times)).where(times <= self._wall())).scalar()
            last_event_ms = max(last_event_ms, last_event_ms if newest is None else newest)
        write = sqlite.insert(tables.counters)
        write = write.on_conflict_do_update(index_elements=["name"], set_={"value": write.excluded.value})
        rows = [{"name": _EVENT_MS, "value": last_event_ms}, {"name": _WALL_MS, "value": self._wall()}]
        connection.execute(write, rows)

    def _anchor(self, connection: sa.Connection) -> dict[str, int]:
        return dict(driver_of(connection).execute(_READ_ANCHOR).fetchall())

    def _now(self, anchor: dict[str, int]) -> int:
        wall = self._wall()
        if not anchor:
            return wall
        # A machine clock that was set back must not take the workspace back with it.
        return anchor[_EVENT_MS] + max(0, wall - anchor[_WALL_MS])


class ImportMarks:
    """How far each import has come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def import_mark(self, import_key: str) -> ImportMark | None:
        """The last mark of an import, or None where it never came to one."""
        with self._database.reader() as driver:
            row = driver.execute(_READ_MARK, (import_key,)).fetchone()
        if row is None:
            return None
        key, kind, source, rows_done, byte_offset, state, finished = row
        return ImportMark(key, kind, source, rows_done, byte_offset, orjson.loads(state), bool(finished))

    def save_import_mark(self, mark: ImportMark) -> None:
        """Save a mark by itself, for a stretch of a file that added nothing."""
        with self._database.write() as connection:
            self.save_within(connection, mark)

    def save_within(self, connection: sa.Connection, mark: ImportMark, accepted: int = 0, duplicates: int = 0) -> None:
        """Save a mark in the transaction of the rows it speaks of, and count in its state what became of them."""
        state = dict(mark.state)
        state["accepted"] = state.get("accepted", 0) + accepted
        state["duplicates"] = state.get("duplicates", 0) + duplicates
        values = {field.name: getattr(mark, field.name) for field in fields(mark)}
        values["state"] = orjson.dumps(state).decode()
        write = sqlite.insert(tables.imports).values(values)
        connection.execute(write.on_conflict_do_update(index_elements=["import_key"], set_=values))
