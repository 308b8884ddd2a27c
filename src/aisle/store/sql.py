"""The embedded store: a workspace's memory in one SQLite file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aisle.store.catalogue import Catalogue
from aisle.store.connection import Database
from aisle.store.event_reads import EventReads
from aisle.store.event_writes import EventWrites
from aisle.store.identities import IdMaps, Users
from aisle.store.progress import Clock, ImportMarks, wall_ms
from aisle.store.registry import Registry
from aisle.store.served import ServedLog


class SqlStore:
    """Implements :class:`aisle.store.contract.Store` (which says what each method does) over one SQLite file.

    Safe to use from many threads and processes at once: reads never wait for a writer, writers take turns. Each
    change is on the disk when its method returns (write-ahead log, ``synchronous = FULL``).

    Args:
        path: the database file; made where it is missing.
        wall: the machine's time in milliseconds, for tests.

    Raises:
        DataError: the file is no store, or was written by a newer release.
    """

    def __init__(self, path: str | Path, wall: Callable[[], int] = wall_ms) -> None:
        self.path = Path(path)
        self._database = Database(self.path)
        clock = Clock(self._database, wall)
        marks = ImportMarks(self._database)
        id_maps = IdMaps(self._database)
        self.now_ms = clock.now_ms
        self.anchor_clock = clock.anchor_clock
        self.import_mark = marks.import_mark
        self.save_import_mark = marks.save_import_mark
        self.ids = id_maps.ids
        self.newest_users = id_maps.newest_users
        self.num_users = id_maps.num_users

        event_writes = EventWrites(self._database, clock, marks)
        self.add_events = event_writes.add_events
        self.write_events = event_writes.write_events
        event_reads = EventReads(self._database, id_maps)
        self.history = event_reads.history
        self.visitor_items = event_reads.visitor_items
        self.user_events = event_reads.user_events
        self.scan_events = event_reads.scan_events
        self.num_events = event_reads.num_events
        self.last_seq = event_reads.last_seq
        self.popular_items = event_reads.popular_items

        catalogue = Catalogue(self._database, clock, marks)
        self.put_items = catalogue.put_items
        self.get_item = catalogue.get_item
        self.delete_item = catalogue.delete_item
        self.catalogue_changes = catalogue.catalogue_changes
        self.catalogue_as_of = catalogue.catalogue_as_of
        users = Users(self._database, clock, marks)
        self.put_users = users.put_users
        self.get_user = users.get_user
        self.delete_user = users.delete_user

        registry = Registry(self._database, clock)
        self.register_bundle = registry.register_bundle
        self.bundles = registry.bundles
        self.activate_bundle = registry.activate_bundle
        self.previous_bundle = registry.previous_bundle
        self.rollback_bundle = registry.rollback_bundle
        self.delete_bundle = registry.delete_bundle
        self.active_bundle = registry.active_bundle
        served = ServedLog(self._database)
        self.log_served = served.log_served
        self.report = served.report

        self.close = self._database.close

    def settings(self) -> list[dict[str, Any]]:
        """The durability settings of every connection of this store that is open now.

        ``synchronous`` 2 is FULL: a commit is on the disk when it returns.
        """
        return self._database.settings()
