"""The nouns of a shop (item, user, event), their times and identity; the columns of tables."""

from aisle.schema.columns import OWNERS, Column, ColumnType, Schema, Tag
from aisle.schema.identity import CONTENT_FIELDS, content_digest, content_text, derive_event_id
from aisle.schema.records import KNOWN_EVENT_TYPES, Event, EventType, Id, Item, User
from aisle.schema.time import DAY_MS, format_timestamp, has_zone, parse_timestamp_ms

__all__ = [
    "CONTENT_FIELDS",
    "DAY_MS",
    "KNOWN_EVENT_TYPES",
    "OWNERS",
    "Column",
    "ColumnType",
    "Event",
    "EventType",
    "Id",
    "Item",
    "Schema",
    "Tag",
    "User",
    "content_digest",
    "content_text",
    "derive_event_id",
    "format_timestamp",
    "has_zone",
    "parse_timestamp_ms",
]
