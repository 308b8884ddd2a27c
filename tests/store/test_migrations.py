"""A store knows its version: an older one is brought up in one transaction, a newer one is refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from aisle.errors import DataError
from aisle.store import SqlStore, tables
from aisle.store.migrations import LATEST, STEPS, current_version, migrate


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{tmp_path / 'aisle.db'}")


def test_a_new_store_is_at_the_latest_version(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert current_version(connection) is None
        migrate(connection)
        assert current_version(connection) == LATEST
        migrate(connection)
        assert current_version(connection) == LATEST
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.item_ids)).scalar() == 2
    engine.dispose()


def test_there_is_a_step_to_every_later_version() -> None:
    assert set(STEPS) == set(range(2, LATEST + 1))


def test_an_older_store_is_brought_up_step_by_step(engine: sa.Engine) -> None:
    taken: list[int] = []

    def step(version: int) -> None:
        taken.append(version)

    with engine.begin() as connection:
        migrate(connection, latest=1, steps={})
        connection.execute(sa.insert(tables.bundles), bundle())
    with engine.begin() as connection:
        migrate(connection, latest=3, steps={2: lambda c: add_column(c, step(2)), 3: lambda c: step(3)})
        assert current_version(connection) == 3
        assert connection.execute(sa.text("SELECT version, note FROM bundles")).all() == [("v", None)]
    assert taken == [2, 3]
    engine.dispose()


def bundle() -> dict[str, object]:
    return {"version": "v", "path": "", "manifest_sha256": "", "created_ms": 0, "metrics": "{}"}


def add_column(connection: sa.Connection, _: None) -> None:
    connection.execute(sa.text("ALTER TABLE bundles ADD COLUMN note TEXT"))


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "aisle.db"
    SqlStore(path).close()

    def fail(connection: sa.Connection) -> None:
        add_column(connection, None)
        raise RuntimeError("half way")

    monkeypatch.setattr(
        "aisle.store.connection.migrate", lambda connection: migrate(connection, LATEST + 1, {LATEST + 1: fail})
    )
    with pytest.raises(RuntimeError, match="half way"):
        SqlStore(path)
    monkeypatch.undo()
    with sqlite3.connect(path) as driver:
        assert driver.execute("SELECT version FROM schema_version").fetchall() == [(LATEST,)]
        assert "note" not in [row[1] for row in driver.execute("PRAGMA table_info(bundles)")]
    driver.close()
    SqlStore(path).close()


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "aisle.db"
    SqlStore(path).close()
    with sqlite3.connect(path) as driver:
        driver.execute("UPDATE schema_version SET version = 99")
    driver.close()
    with pytest.raises(DataError, match=r"found version 99.*newer release"):
        SqlStore(path)


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "aisle.db"
    with sqlite3.connect(path) as driver:
        driver.execute("CREATE TABLE customers (name TEXT)")
    driver.close()
    with pytest.raises(DataError, match="expected an Aisle store, found a database with the tables customers"):
        SqlStore(path)
    path.write_bytes(b"no database at all, but long enough to be looked at" * 50)
    with pytest.raises(DataError, match="cannot open the store"):
        SqlStore(path)
    with pytest.raises(DataError, match="cannot open the store"):
        SqlStore(tmp_path / "missing" / "aisle.db")
