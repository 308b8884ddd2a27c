"""The catalogue and its history: every record an item ever had, and from when on it held."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from aisle.schema import Item
from aisle.schema.time import MIN_MS
from aisle.store import tables
from aisle.store.connection import Database, driver_of, driver_sql
from aisle.store.contract import CATALOGUE_FRAME, CatalogueChanges, ImportMark, Undated
from aisle.store.identities import in_json, known_rows, rows_for
from aisle.store.progress import Clock, ImportMarks

#: A version that holds from here on has always held.
ALWAYS_MS = MIN_MS

_VERSIONS, _ITEMS, _IDS = tables.item_versions, tables.items, tables.item_ids
_TEXTS = ("parent_id", "title", "description", "brand", "price", "currency", "image_url")
_INSERT_VERSION = driver_sql(sa.insert(_VERSIONS))
_CURRENT = (
    sa.select(_IDS.c.id, _VERSIONS)
    .select_from(_ITEMS)
    .join(_VERSIONS, _VERSIONS.c.version == _ITEMS.c.version)
    .join(_IDS, _IDS.c.row == _ITEMS.c.item_row)
)
_LAST_CHANGE = driver_sql(sa.select(sa.func.coalesce(sa.func.max(_ITEMS.c.change), 0)))


class Catalogue:
    """Items come as records that hold from a time on; the current one is the one that holds last."""

    def __init__(self, database: Database, clock: Clock, marks: ImportMarks) -> None:
        self._database = database
        self._clock = clock
        self._marks = marks

    def put_items(self, items: Sequence[Item], mark: ImportMark | None = None, *, undated: Undated = "arrival") -> int:
        """Append versions of items; one that says nothing new is left out.

        A record with ``updated_at`` holds from then on. One without holds from its arrival, and at once becomes the
        current one.

        Args:
            items: the records, in the order of their arrival.
            mark: how far an import has come; saved in the same transaction.
            undated: ``always`` lets an undated record of an item that was not known before hold since the item was
                created, or since ever: a shop's first catalogue file does not say since when.

        Returns:
            How many records said something new.
        """
        with self._database.write(is_bulk=mark is not None) as connection:
            rows = rows_for(connection, "item", (item.item_id for item in items))
            book = _Book(connection, self._clock.now_within(connection), list(rows.values()))
            for item in items:
                book.put(rows[item.item_id], item, undated)
            book.save(connection)
            if mark is not None:
                self._marks.save_within(connection, mark, len(book.added), len(items) - len(book.added))
        return len(book.added)

    def get_item(self, item_id: str) -> Item | None:
        """The current record of an item, or None where there is none."""
        with self._database.read() as connection:
            row = connection.execute(_CURRENT.where(_IDS.c.id == item_id)).first()
        return None if row is None or row.is_deleted else _item(row)

    def delete_item(self, item_id: str) -> bool:
        """End an item's record as of now; its history, events and row in the id map stay. False: there was none."""
        with self._database.write() as connection:
            row = known_rows(connection, "item", [item_id]).get(item_id)
            if row is None:
                return False
            book = _Book(connection, self._clock.now_within(connection), [row])
            if not book.delete(row):
                return False
            book.save(connection)
        return True

    def catalogue_changes(self, after: int) -> CatalogueChanges:
        """The current records of the items that were written after a change number (0: all of them)."""
        with self._database.reader() as driver:
            change: int = driver.execute(_LAST_CHANGE).fetchone()[0]
        if change <= after:
            return CatalogueChanges(change, [], [])
        with self._database.read() as connection:
            changed = _CURRENT.where(_ITEMS.c.change > after).order_by(_ITEMS.c.item_row)
            rows = connection.execute(changed.add_columns(_ITEMS.c.change)).all()
        # Another write may have come between the two reads.
        change = max((row.change for row in rows), default=change)
        return CatalogueChanges(
            change=change,
            items=[_item(row) for row in rows if not row.is_deleted],
            deleted=[row.id for row in rows if row.is_deleted],
        )

    def catalogue_as_of(self, time_ms: int | None, *, last_change: int | None = None) -> pl.DataFrame:
        """The catalogue as it stood at a time (None: as it is), in the order of the id map.

        Args:
            time_ms: When.
            last_change: Only what had been written up to this change number.
        """
        if time_ms is None and last_change is None:
            query = _CURRENT
        else:
            latest_first = (_VERSIONS.c.valid_from_ms.desc(), _VERSIONS.c.version.desc())
            ranks = sa.func.row_number().over(partition_by=_VERSIONS.c.item_row, order_by=latest_first)
            ranked = sa.select(_VERSIONS.c.version, ranks.label("rank"))
            if time_ms is not None:
                ranked = ranked.where(_VERSIONS.c.valid_from_ms <= time_ms)
            if last_change is not None:
                ranked = ranked.where(_VERSIONS.c.version <= last_change)
            valid = ranked.subquery()
            query = (
                sa.select(_IDS.c.id, _VERSIONS)
                .join(valid, sa.and_(valid.c.version == _VERSIONS.c.version, valid.c.rank == 1))
                .join(_IDS, _IDS.c.row == _VERSIONS.c.item_row)
            )
        query = query.where(_VERSIONS.c.is_deleted.is_(False)).order_by(_VERSIONS.c.item_row)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return _catalogue_frame(rows)


class _Book:
    """What is known of some items' versions within one transaction, and what is to be added."""

    def __init__(self, connection: sa.Connection, now: int, item_rows: list[int]) -> None:
        self._now = now
        self._next = (connection.execute(sa.select(sa.func.max(_VERSIONS.c.version))).scalar() or 0) + 1
        #: Per item: the (valid from, version) of the current version, its content hash, whether it is a deletion.
        self._current: dict[int, tuple[int, int, int, bool]] = {}
        #: Per item and start: the content hash of the version that arrived last.
        self._dated: dict[tuple[int, int], int] = {}
        self._changed: dict[int, int] = {}
        self.added: list[dict[str, Any]] = []
        columns = (_VERSIONS.c.item_row, _VERSIONS.c.valid_from_ms, _VERSIONS.c.version)
        query = sa.select(*columns, _VERSIONS.c.content_hash, _VERSIONS.c.is_deleted)
        query = query.where(in_json(_VERSIONS.c.item_row)).order_by(_VERSIONS.c.version)
        for row in connection.execute(query, {"wanted": orjson.dumps(item_rows).decode()}):
            self._note(*row)

    def _note(self, item_row: int, valid_from: int, version: int, content_hash: int, is_deleted: bool) -> None:
        self._dated[item_row, valid_from] = content_hash
        current = self._current.get(item_row)
        if current is None or (valid_from, version) > current[:2]:
            self._current[item_row] = (valid_from, version, content_hash, is_deleted)

    def put(self, item_row: int, item: Item, undated: Undated) -> None:
        values = _values(item)
        current = self._current.get(item_row)
        if item.updated_at is not None:
            valid_from = item.updated_at
            if self._dated.get((item_row, valid_from)) == values["content_hash"]:
                return
        elif current is not None:
            if current[2] == values["content_hash"] and not current[3]:
                return
            valid_from = max(self._now, current[0])
        elif undated == "always":
            valid_from = ALWAYS_MS if item.created_at is None else item.created_at
        else:
            valid_from = self._now
        self._add(item_row, valid_from, values)

    def delete(self, item_row: int) -> bool:
        current = self._current.get(item_row)
        if current is None or current[3]:
            return False
        self._add(item_row, max(self._now, current[0]), _values(Item(item_id="-")) | {"is_deleted": True})
        return True

    def _add(self, item_row: int, valid_from: int, values: dict[str, Any]) -> None:
        version = self._next
        self._next += 1
        self.added.append(values | {"version": version, "item_row": item_row, "valid_from_ms": valid_from})
        self._note(item_row, valid_from, version, values["content_hash"], values["is_deleted"])
        self._changed[item_row] = version

    def save(self, connection: sa.Connection) -> None:
        if not self.added:
            return
        names = _VERSIONS.columns.keys()
        rows = [tuple(version[name] for name in names) for version in self.added]
        driver_of(connection).executemany(_INSERT_VERSION, rows)
        write = sqlite.insert(_ITEMS)
        values = {"change": write.excluded.change, "version": write.excluded.version}
        current = [
            {"item_row": item_row, "change": change, "version": self._current[item_row][1]}
            for item_row, change in self._changed.items()
        ]
        connection.execute(write.on_conflict_do_update(index_elements=["item_row"], set_=values), current)


def _values(item: Item) -> dict[str, Any]:
    """An item's record as columns, with a hash of all that it says (its date apart)."""
    values: dict[str, Any] = {name: getattr(item, name) for name in _TEXTS}
    values |= {
        "category": _json(item.category),
        "available": item.available,
        "created_ms": item.created_at,
        "attributes": _json(item.attributes),
        "is_deleted": False,
    }
    digest = hashlib.blake2b(orjson.dumps(values, option=orjson.OPT_SORT_KEYS), digest_size=8).digest()
    return values | {"content_hash": int.from_bytes(digest, "big", signed=True)}


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


def _item(row: sa.Row[Any]) -> Item:
    """A stored record; it was checked when it was written."""
    values = row._mapping
    return Item.model_construct(
        item_id=values["id"],
        category=orjson.loads(values["category"]),
        available=values["available"],
        created_at=values["created_ms"],
        updated_at=None if values["valid_from_ms"] == ALWAYS_MS else values["valid_from_ms"],
        attributes=orjson.loads(values["attributes"]),
        **{name: values[name] for name in _TEXTS},
    )


def _catalogue_frame(rows: Sequence[sa.RowMapping]) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in CATALOGUE_FRAME if name != "item_id"}
    columns["item_id"] = [row["id"] for row in rows]
    columns["category"] = [orjson.loads(text) for text in columns["category"]]
    return pl.DataFrame({name: columns[name] for name in CATALOGUE_FRAME}, schema=CATALOGUE_FRAME)
