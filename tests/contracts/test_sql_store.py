"""The embedded store keeps the store's contract."""

from collections.abc import Callable
from pathlib import Path

from aisle.store import SqlStore, Store
from tests.contracts.store_suite import StoreContract


class TestSqlStore(StoreContract):
    def open_at(self, path: Path, wall: Callable[[], int]) -> Store:
        return SqlStore(path / "aisle.db", wall)
