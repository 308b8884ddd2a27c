"""The id of an event that came without one: its time, a hash of its content, and its number among identical rows.

The time stands first, so that (until the year 6429) a file in time order is also in id order, and the store appends
instead of seeking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

#: The fields that make an event what it is, in the order they are hashed; the derived id depends on nothing else.
CONTENT_FIELDS = (
    "type",
    "user_id",
    "session_id",
    "items",
    "value",
    "quantity",
    "price",
    "order_id",
    "request_id",
    "position",
    "placement",
    "context",
)

#: Between the fields of a content text, and between the items of one event; neither occurs in an id.
FIELD_SEPARATOR = "\x1f"
ITEM_SEPARATOR = "\x1e"
TIME_OFFSET_MS = 1 << 47  # keeps times before 1970 sortable as text


def content_text(values: Sequence[str | None]) -> str:
    """Join the canonical texts of :data:`CONTENT_FIELDS`; a missing field is empty."""
    return FIELD_SEPARATOR.join("" if value is None else value for value in values)


def content_digest(text: str) -> int:
    """A 64-bit hash of an event's content that is the same on every machine and release."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def derive_event_id(timestamp_ms: int, digest: int, occurrence: int) -> str:
    """The id of the ``occurrence``-th (from 0) of identical rows of one file or batch."""
    base = f"{timestamp_ms + TIME_OFFSET_MS:012x}-{digest:016x}"
    return base if occurrence == 0 else f"{base}-{occurrence}"
