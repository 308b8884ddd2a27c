"""The tables of a workspace's store, declared once in SQLAlchemy Core."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# SQLite makes a column the row's own address only where its type is spelt INTEGER.
_Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Int = sa.BigInteger()

#: Rows 0 (padding) and 1 (unknown) of every id map are taken; real ids start here.
FIRST_ROW = 2

#: One row: the version of these tables (see :mod:`aisle.store.migrations`).
schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))

#: Small whole numbers that must never go back: the clock's anchor and the highest event number ever given.
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", _Int, nullable=False),
)

#: Append-only id maps; a deleted user keeps the row, without the id.
item_ids = sa.Table(
    "item_ids",
    metadata,
    sa.Column("row", _Key, primary_key=True),
    sa.Column("id", sa.Text, unique=True),
)
user_ids = sa.Table(
    "user_ids",
    metadata,
    sa.Column("row", _Key, primary_key=True),
    sa.Column("id", sa.Text, unique=True),
)

#: One row per item of an event, numbered by arrival; columns in the order in which the writers fill them.
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _Key, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("item_index", sa.Integer, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("user_row", _Int),
    sa.Column("session_id", sa.Text),
    sa.Column("item_row", _Int, nullable=False),
    # The time that counts; `stamp_ms` is what the event said, where a live event came stamped in the future.
    sa.Column("time_ms", _Int, nullable=False),
    sa.Column("stamp_ms", _Int),
    sa.Column("received_ms", _Int, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("quantity", sa.Double),
    sa.Column("price", sa.Double),
    sa.Column("order_id", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("position", sa.Integer),
    sa.Column("placement", sa.Text),
    sa.Column("context", sa.Text),
)
sa.Index("events_by_id", events.c.event_id, events.c.item_index, unique=True)
sa.Index("events_by_time", events.c.time_ms)
for _name, _column in (
    ("events_by_user", events.c.user_row),
    ("events_by_session", events.c.session_id),
):
    sa.Index(
        _name,
        _column,
        events.c.time_ms,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )
sa.Index(
    "events_by_request",
    events.c.request_id,
    sqlite_where=events.c.request_id.is_not(None),
    postgresql_where=events.c.request_id.is_not(None),
)

#: Every record an item ever had; the row number is also the number of the change.
item_versions = sa.Table(
    "item_versions",
    metadata,
    sa.Column("version", _Key, primary_key=True),
    sa.Column("item_row", _Int, nullable=False),
    sa.Column("valid_from_ms", _Int, nullable=False),
    sa.Column("is_deleted", sa.Boolean, nullable=False),
    sa.Column("content_hash", _Int, nullable=False),
    sa.Column("parent_id", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("category", sa.Text, nullable=False),  # JSON list
    sa.Column("brand", sa.Text),
    sa.Column("price", sa.Double),
    sa.Column("currency", sa.Text),
    sa.Column("available", sa.Boolean, nullable=False),
    sa.Column("image_url", sa.Text),
    sa.Column("created_ms", _Int),
    sa.Column("attributes", sa.Text, nullable=False),  # JSON map
)
sa.Index("item_versions_by_item", item_versions.c.item_row, item_versions.c.valid_from_ms)

#: Which version of an item is current, and when (as a change number) anything about the item was last written.
items = sa.Table(
    "items",
    metadata,
    sa.Column("item_row", _Key, primary_key=True, autoincrement=False),
    sa.Column("change", _Int, nullable=False),
    sa.Column("version", _Int, nullable=False),
)
sa.Index("items_by_change", items.c.change)

users = sa.Table(
    "users",
    metadata,
    sa.Column("user_row", _Key, primary_key=True, autoincrement=False),
    sa.Column("attributes", sa.Text, nullable=False),  # JSON map
    sa.Column("updated_ms", _Int, nullable=False),
)

imports = sa.Table(
    "imports",
    metadata,
    sa.Column("import_key", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("rows_done", _Int, nullable=False),
    sa.Column("byte_offset", _Int, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # JSON map
    sa.Column("finished", sa.Boolean, nullable=False),
)

bundles = sa.Table(
    "bundles",
    metadata,
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("manifest_sha256", sa.Text, nullable=False),
    sa.Column("created_ms", _Int, nullable=False),
    sa.Column("metrics", sa.Text, nullable=False),  # JSON map
)

#: What was activated, in order; a rollback takes the last row away, so the last row is what is active.
activations = sa.Table(
    "activations",
    metadata,
    sa.Column("activation", _Key, primary_key=True),
    sa.Column("version", sa.Text, sa.ForeignKey("bundles.version"), nullable=False),
    sa.Column("time_ms", _Int, nullable=False),
)

served = sa.Table(
    "served",
    metadata,
    sa.Column("answer", _Key, primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False, unique=True),
    sa.Column("time_ms", _Int, nullable=False),
    sa.Column("placement", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("session_id", sa.Text),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
)
sa.Index("served_by_time", served.c.time_ms)
sa.Index(
    "served_by_user",
    served.c.user_id,
    sqlite_where=served.c.user_id.is_not(None),
    postgresql_where=served.c.user_id.is_not(None),
)

served_items = sa.Table(
    "served_items",
    metadata,
    sa.Column("answer", _Int, sa.ForeignKey("served.answer"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("item_row", _Int, nullable=False),
    sa.Column("score", sa.Double),
    sa.Column("source", sa.Text),
    sa.Column("propensity", sa.Double),
    sqlite_with_rowid=False,
)
