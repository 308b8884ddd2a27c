"""The bundle registry: which versions there are, which one is active, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import sqlalchemy as sa

from aisle.errors import DataError
from aisle.store.connection import Database, driver_sql
from aisle.store.contract import BundleRecord
from aisle.store.progress import Clock
from aisle.store.tables import activations, bundles

_RECORDS = sa.select(bundles)
_ACTIVE = sa.select(activations.c.version).order_by(activations.c.activation.desc()).limit(1)
_ACTIVE_RECORD = driver_sql(_RECORDS.where(bundles.c.version == _ACTIVE.scalar_subquery()))


@dataclass(frozen=True)
class Registry:
    """Bundles by version; activations are a stack whose top is active."""

    database: Database
    clock: Clock

    def register_bundle(self, record: BundleRecord) -> None:
        """Add a bundle; it is not activated by this.

        Raises:
            DataError: the version is registered already.
        """
        with self.database.write() as connection:
            if connection.execute(_RECORDS.where(bundles.c.version == record.version)).first() is not None:
                raise DataError(f"expected a new version, received {record.version!r}, which is registered already")
            values = {
                "version": record.version,
                "path": record.path,
                "manifest_sha256": record.manifest_sha256,
                "created_ms": record.created_ms,
                "metrics": orjson.dumps(record.metrics).decode(),
            }
            connection.execute(sa.insert(bundles).values(values))

    def bundles(self) -> list[BundleRecord]:
        """All bundles, the newest first."""
        with self.database.read() as connection:
            active = connection.execute(_ACTIVE).scalar()
            newest_first = _RECORDS.order_by(bundles.c.created_ms.desc(), bundles.c.version.desc())
            rows = connection.execute(newest_first).all()
        return [_record(*row, is_active=row.version == active) for row in rows]

    def activate_bundle(self, version: str) -> None:
        """Make a bundle the active one; nothing changes where it is already.

        Raises:
            DataError: there is no such version.
        """
        with self.database.write() as connection:
            known = connection.execute(sa.select(bundles.c.version)).scalars().all()
            if version not in known:
                names = ", ".join(known) or "none yet"
                raise DataError(f"expected a registered version ({names}), received {version!r}")
            if connection.execute(_ACTIVE).scalar() != version:
                self._push(connection, version)

    def _push(self, connection: sa.Connection, version: str) -> None:
        now = self.clock.now_within(connection)
        connection.execute(sa.insert(activations).values(version=version, time_ms=now))

    def previous_bundle(self) -> BundleRecord | None:
        """The bundle that :meth:`rollback_bundle` would make active, so that it can be checked before."""
        earlier = sa.select(activations.c.version).where(activations.c.version != _ACTIVE.scalar_subquery())
        latest = earlier.order_by(activations.c.activation.desc()).limit(1).scalar_subquery()
        with self.database.read() as connection:
            row = connection.execute(_RECORDS.where(bundles.c.version == latest)).first()
        return None if row is None else _record(*row, is_active=False)

    def rollback_bundle(self) -> str:
        """Go back to the bundle that was active before.

        Returns:
            The version that is active now.

        Raises:
            DataError: nothing was active before.
        """
        newest_first = sa.select(activations).order_by(activations.c.activation.desc())
        with self.database.write() as connection:
            stack = connection.execute(newest_first).all()
            earlier = next((row for row in stack if row.version != stack[0].version), None)
            if earlier is None:
                raise DataError("expected a bundle that was active before this one, found none: nothing to go back to")
            connection.execute(sa.delete(activations).where(activations.c.activation > earlier.activation))
        return str(earlier.version)

    def delete_bundle(self, version: str) -> None:
        """Take a bundle out of the registry; its files are the caller's.

        Raises:
            DataError: there is no such version, or it is the active one.
        """
        with self.database.write() as connection:
            if connection.execute(_ACTIVE).scalar() == version:
                raise DataError(f"expected a version that is not active, received {version!r}; activate another first")
            connection.execute(sa.delete(activations).where(activations.c.version == version))
            if connection.execute(sa.delete(bundles).where(bundles.c.version == version)).rowcount == 0:
                raise DataError(f"expected a registered version, received {version!r}")

    def active_bundle(self) -> BundleRecord | None:
        """The active bundle, or None before the first activation."""
        with self.database.reader() as driver:
            row = driver.execute(_ACTIVE_RECORD).fetchone()
        return None if row is None else _record(*row, is_active=True)


def _record(
    version: str, path: str, manifest_sha256: str, created_ms: int, metrics: str, *, is_active: bool
) -> BundleRecord:
    return BundleRecord(version, path, manifest_sha256, created_ms, is_active, orjson.loads(metrics))
