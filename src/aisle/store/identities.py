"""Who and what there is: the append-only id maps of items and users, and the records of users."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from aisle.schema import User
from aisle.store import tables
from aisle.store.connection import Database, driver_of, driver_sql
from aisle.store.contract import Entity, ImportMark
from aisle.store.progress import Clock, ImportMarks

_MAPS = {"item": tables.item_ids, "user": tables.user_ids}


def in_json(column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a column is among the texts of a JSON list that is bound as one value, however long."""
    return column.in_(sa.select(sa.func.json_each(sa.bindparam("wanted")).table_valued("value").c.value))


_FIND = {entity: driver_sql(sa.select(ids.c.id, ids.c.row).where(in_json(ids.c.id))) for entity, ids in _MAPS.items()}
_ADD = {entity: f"INSERT INTO {ids.name} (id) VALUES (?)" for entity, ids in _MAPS.items()}
_LIST = {
    entity: driver_sql(sa.select(ids.c.row, ids.c.id).where(ids.c.row >= sa.bindparam("first")).order_by(ids.c.row))
    for entity, ids in _MAPS.items()
}


def known_rows(connection: sa.Connection, entity: Entity, ids: Iterable[str]) -> dict[str, int]:
    """The rows of those ids that have one."""
    wanted = orjson.dumps(list(dict.fromkeys(ids))).decode()
    return dict(driver_of(connection).execute(_FIND[entity], (wanted,)).fetchall())


def rows_for(connection: sa.Connection, entity: Entity, ids: Iterable[str]) -> dict[str, int]:
    """The rows of ids; those not seen before are appended in their order."""
    distinct = list(dict.fromkeys(ids))
    rows = known_rows(connection, entity, distinct)
    fresh = [id_ for id_ in distinct if id_ not in rows]
    if fresh:
        driver_of(connection).executemany(_ADD[entity], [(id_,) for id_ in fresh])
        rows |= known_rows(connection, entity, fresh)
    return rows


class IdMaps:
    """Reads of the id maps; item ids are kept in memory, for they never change once given."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._item_ids: list[str | None] = []
        self._lock = threading.Lock()

    def ids(self, entity: Entity) -> list[str | None]:
        """The ids of an entity by row: None for the reserved rows 0 and 1 and where a user was deleted."""
        with self._database.reader() as driver:
            return [id_ for _, id_ in driver.execute(_LIST[entity], (0,)).fetchall()]

    def newest_users(self, limit: int) -> list[str]:
        """The ids of the users that became known last, the newest first; no more than these are read."""
        ids = tables.user_ids
        query = sa.select(ids.c.id).where(ids.c.id.is_not(None)).order_by(ids.c.row.desc()).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def num_users(self) -> int:
        """How many users are known."""
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count(tables.user_ids.c.id))).scalar_one())

    def item_ids_to(self, last_row: int) -> list[str | None]:
        """A list of item ids by row that reaches at least to the given row."""
        if last_row >= len(self._item_ids):
            with self._lock, self._database.reader() as driver:
                found = driver.execute(_LIST["item"], (len(self._item_ids),)).fetchall()
                self._item_ids.extend(id_ for _, id_ in found)
        return self._item_ids


class Users:
    """The records of users."""

    def __init__(self, database: Database, clock: Clock, marks: ImportMarks) -> None:
        self._database = database
        self._clock = clock
        self._marks = marks

    def put_users(self, users: Sequence[User], mark: ImportMark | None = None) -> int:
        """Write users' records; returns how many are new or differ from what was there."""
        with self._database.write() as connection:
            now = self._clock.now_within(connection)
            rows = rows_for(connection, "user", (user.user_id for user in users))
            records = {rows[user.user_id]: _attributes_text(user) for user in users}
            known = _known_records(connection, list(records))
            changed = [
                {"user_row": row, "attributes": text, "updated_ms": now}
                for row, text in records.items()
                if known.get(row) != text
            ]
            if changed:
                write = sqlite.insert(tables.users)
                values = {"attributes": write.excluded.attributes, "updated_ms": write.excluded.updated_ms}
                connection.execute(write.on_conflict_do_update(index_elements=["user_row"], set_=values), changed)
            if mark is not None:
                self._marks.save_within(connection, mark, len(changed), len(users) - len(changed))
        return len(changed)

    def get_user(self, user_id: str) -> User | None:
        """A user's record; one known by events alone has no attributes, an unknown one is None."""
        ids, users = tables.user_ids, tables.users
        query = sa.select(users.c.attributes).select_from(ids.outerjoin(users, users.c.user_row == ids.c.row))
        with self._database.read() as connection:
            found = connection.execute(query.where(ids.c.id == user_id)).first()
        if found is None:
            return None
        return User.model_construct(user_id=user_id, attributes=orjson.loads(found.attributes or "{}"))

    def delete_user(self, user_id: str) -> int:
        """Remove a user: record and events go, answers served to the user forget to whom, the id's row stays empty.

        Returns:
            How many events went.
        """
        events, served = tables.events, tables.served
        with self._database.write() as connection:
            row = known_rows(connection, "user", [user_id]).get(user_id)
            _forget_served(connection, served, user_id)
            if row is None:
                return 0
            own = events.c.user_row == row
            count = connection.execute(sa.select(sa.func.count()).where(own, events.c.item_index == 0)).scalar_one()
            keep_highest_seq(connection)
            connection.execute(sa.delete(events).where(own))
            connection.execute(sa.delete(tables.users).where(tables.users.c.user_row == row))
            connection.execute(sa.update(tables.user_ids).where(tables.user_ids.c.row == row).values(id=None))
        return int(count)


def keep_highest_seq(connection: sa.Connection) -> None:
    """Remember the highest event number ever given, before rows go: a number must never be given twice."""
    highest = connection.execute(sa.select(sa.func.max(tables.events.c.seq))).scalar() or 0
    write = sqlite.insert(tables.counters).values(name="seq", value=highest)
    larger = sa.func.max(write.excluded.value, tables.counters.c.value)
    connection.execute(write.on_conflict_do_update(index_elements=["name"], set_={"value": larger}))


def _forget_served(connection: sa.Connection, served: sa.Table, user_id: str) -> None:
    # The session goes with the user: it would lead back to the same person's events.
    nobody = {"user_id": None, "session_id": None}
    connection.execute(sa.update(served).where(served.c.user_id == user_id).values(nobody))


def _known_records(connection: sa.Connection, rows: list[int]) -> dict[int, str]:
    users = tables.users
    query = sa.select(users.c.user_row, users.c.attributes).where(in_json(users.c.user_row))
    return {row.user_row: row.attributes for row in connection.execute(query, {"wanted": orjson.dumps(rows).decode()})}


def _attributes_text(user: User) -> str:
    return orjson.dumps(user.attributes, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
