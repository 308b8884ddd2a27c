"""The embedded database: every commit on the disk, writers take turns, reads of a request are fast."""

from __future__ import annotations

import multiprocessing
import sqlite3
import statistics
import threading
import time
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from aisle.errors import BackendUnavailableError
from aisle.schema import Event
from aisle.store import EVENT_FRAME, SqlStore
from aisle.store.connection import Database, driver_sql


def test_every_connection_writes_through_to_the_disk(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "aisle.db")
    barrier = threading.Barrier(3)

    def read() -> None:
        with store._database.reader(), store._database.read():
            barrier.wait()
            barrier.wait()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    barrier.wait()
    store.add_events([Event(type="view", user_id="u", item_id="a")], ["1"])
    settings = store.settings()
    barrier.wait()
    for thread in threads:
        thread.join()
    store.close()
    assert len(settings) >= 5, "a writer, and two kinds of readers in two threads"
    assert all(one == {"journal_mode": "wal", "synchronous": 2} for one in settings)


def test_a_failed_write_leaves_nothing_and_lets_others_write(tmp_path: Path) -> None:
    database, other = Database(tmp_path / "aisle.db"), Database(tmp_path / "aisle.db")
    insert = sa.text("INSERT INTO counters VALUES (:name, 1)")
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute(insert, {"name": "lost"})
        _ = 1 / 0
    for one in (other, database):
        with one.write() as connection:
            connection.execute(insert, {"name": f"kept {id(one)}"})
    with other.read() as connection:
        names = connection.execute(sa.text("SELECT name FROM counters")).scalars().all()
    assert len(names) == 2 and "lost" not in names
    database.close()
    other.close()


def test_a_database_that_another_program_holds_is_said_clearly(tmp_path: Path) -> None:
    database = Database(tmp_path / "aisle.db")
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")
    intruder = sqlite3.connect(tmp_path / "aisle.db", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendUnavailableError, match=r"locked.*nothing was"), database.write():
        pass
    intruder.execute("ROLLBACK")
    intruder.close()
    with database.write() as connection:
        connection.execute(sa.text("INSERT INTO counters VALUES ('kept', 1)"))
    database.close()


def test_driver_sql_writes_constants_out() -> None:
    table = sa.table("t", sa.column("a"), sa.column("b"))
    query = sa.select(table.c.a).where(table.c.b == sa.bindparam("b"), table.c.a == "word").limit(sa.bindparam("n"))
    text = " ".join(driver_sql(query).split())
    assert text == "SELECT t.a FROM t WHERE t.b = ? AND t.a = 'word' LIMIT ? OFFSET 0"
    with pytest.raises(ValueError, match="plain word"):
        driver_sql(sa.select(table.c.a).where(table.c.a == "it's"))


def import_steadily(path: Path, seconds: float, rows: int) -> None:
    """Bulk writes one after the other, as an import makes them."""
    store = SqlStore(path)
    number, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        ids = pl.Series([f"{number + row:012d}" for row in range(rows)])
        frame = pl.DataFrame({"event_id": ids}).with_columns(
            pl.lit(value).cast(dtype).alias(name)
            for name, dtype in EVENT_FRAME.items()
            if name != "event_id"
            for value in [
                {"item_index": 0, "type": "view", "user_id": "u", "item_id": "a", "timestamp_ms": 5}.get(name)
            ]
        )
        store.write_events(frame)
        number += rows
    store.close()


def test_a_steady_bulk_writer_does_not_starve_others(tmp_path: Path) -> None:
    path = tmp_path / "aisle.db"
    store = SqlStore(path)
    bulk = multiprocessing.get_context("spawn").Process(target=import_steadily, args=(path, 4.0, 10_000))
    bulk.start()
    while store.num_events() == 0:
        time.sleep(0.02)
    waits = []
    number = 0
    while bulk.is_alive():
        began = time.monotonic()
        store.add_events([Event(type="view", user_id="live", item_id="a")], [f"live-{number}"])
        waits.append(time.monotonic() - began)
        number += 1
        time.sleep(0.01)
    bulk.join()
    assert bulk.exitcode == 0
    assert len(waits) >= 10
    assert max(waits) <= 1.5
    assert store.num_events() > 20_000
    store.close()


def test_reads_of_a_request_are_fast(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "aisle.db")
    rows = 20_000
    frame = pl.DataFrame({"event_id": [str(row) for row in range(rows)]}).with_columns(
        item_index=pl.lit(0, pl.Int32),
        type=pl.lit("view"),
        user_id=pl.Series([f"u{row % 400}" if row % 2 else "heavy" for row in range(rows)]),
        item_id=pl.Series([f"i{row % 1000}" for row in range(rows)]),
        timestamp_ms=pl.int_range(rows, dtype=pl.Int64),
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in EVENT_FRAME.items() if name not in frame.columns]
    store.write_events(frame.with_columns(missing).select(EVENT_FRAME.names()))

    def median_ms(user_id: str) -> float:
        times = []
        for _ in range(51):
            began = time.perf_counter()
            history = store.history(user_id, "s", 1000)
            store.catalogue_changes(0)
            store.active_bundle()
            times.append((time.perf_counter() - began) * 1000)
        assert len(history.item_ids) == (1000 if user_id == "heavy" else 50)
        return statistics.median(times)

    assert median_ms("u1") < 3.0, "about 0.1 ms on a free machine"
    assert median_ms("heavy") < 12.0, "about 1.2 ms on a free machine"
    store.close()
