"""The store's schema version: a new store is made at the latest one, an older one is taken up step by step.

To change the tables, change :mod:`aisle.store.tables`, raise :data:`LATEST` and add the step that brings a store of
the version before to the new one; ``tests/store/test_migrations.py`` holds both ways to the same result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from aisle.errors import DataError
from aisle.store import tables

logger = logging.getLogger(__name__)

LATEST = 1

Step = Callable[[sa.Connection], None]

#: ``STEPS[n]`` brings a store of version ``n - 1`` to version ``n``.
STEPS: Mapping[int, Step] = {}


def current_version(connection: sa.Connection) -> int | None:
    """The schema version of a store, or None where the database is empty.

    Raises:
        DataError: the database holds something else than a store.
    """
    names = set(sa.inspect(connection).get_table_names())
    if not names:
        return None
    version: int | None = None
    if tables.schema_version.name in names:
        version = connection.execute(sa.select(tables.schema_version.c.version)).scalar()
    if version is None:
        found = ", ".join(sorted(names)[:5])
        raise DataError(f"expected an Aisle store, found a database with the tables {found}; name another file")
    return version


def migrate(connection: sa.Connection, latest: int = LATEST, steps: Mapping[int, Step] = STEPS) -> None:
    """Bring the store to the latest version; the caller's transaction makes it all or nothing.

    Raises:
        DataError: the store was written by a newer release.
    """
    version = current_version(connection)
    if version is None:
        _create(connection, latest)
        return
    if version > latest:
        raise DataError(
            f"expected a store of version {latest} or older, found version {version}: it was written by a newer "
            "release of Aisle; upgrade this one"
        )
    for step in range(version + 1, latest + 1):
        logger.info("migrating the store to version %d", step)
        steps[step](connection)
    if version < latest:
        connection.execute(sa.update(tables.schema_version).values(version=latest))


def _create(connection: sa.Connection, version: int) -> None:
    tables.metadata.create_all(connection)
    connection.execute(sa.insert(tables.schema_version).values(version=version))
    for id_map in (tables.item_ids, tables.user_ids):
        connection.execute(sa.insert(id_map), [{"row": row, "id": None} for row in range(tables.FIRST_ROW)])
