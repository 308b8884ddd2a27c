"""What a store promises: events, catalogue, users, served answers and the bundle registry, each change durable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import polars as pl

from aisle.schema import Event, Item, User

Entity = Literal["item", "user"]
Undated = Literal["arrival", "always"]

#: The one event type that a visitor's history leaves out.
UNTOLD_TYPE = "impression"

#: A batch of checked events, one row per item of an event (``item_index`` counts the items of a list event).
EVENT_FRAME = pl.Schema(
    {
        "event_id": pl.String,
        "item_index": pl.Int32,
        "type": pl.String,
        "user_id": pl.String,
        "session_id": pl.String,
        "item_id": pl.String,
        "timestamp_ms": pl.Int64,
        "value": pl.Float64,
        "quantity": pl.Float64,
        "price": pl.Float64,
        "order_id": pl.String,
        "request_id": pl.String,
        "position": pl.Int32,
        "placement": pl.String,
        "context": pl.String,  # JSON
    }
)

#: What training reads: ids as rows of the id maps (0: none), ordered by arrival.
TRAINING_FRAME = pl.Schema(
    {
        "seq": pl.Int64,
        "type": pl.String,
        "user_row": pl.Int32,
        "session_id": pl.String,
        "item_row": pl.Int32,
        "time_ms": pl.Int64,
        "value": pl.Float64,
        "quantity": pl.Float64,
        "price": pl.Float64,
        "order_id": pl.String,
    }
)

_CATALOGUE_COLUMNS: dict[str, type[pl.DataType] | pl.DataType] = {
    "item_row": pl.Int32,
    "item_id": pl.String,
    "parent_id": pl.String,
    "title": pl.String,
    "description": pl.String,
    "category": pl.List(pl.String()),
    "brand": pl.String,
    "price": pl.Float64,
    "currency": pl.String,
    "available": pl.Boolean,
    "image_url": pl.String,
    "created_ms": pl.Int64,
    "valid_from_ms": pl.Int64,
    "attributes": pl.String,
}
#: The catalogue as it stood at one time; ``category`` is a list, ``attributes`` is JSON.
CATALOGUE_FRAME = pl.Schema(_CATALOGUE_COLUMNS)


@dataclass(frozen=True)
class WriteResult:
    """How many events a write added, and how many were there before."""

    accepted: int
    duplicates: int
    #: Per event of the input, in order: True where it was there before (only for :meth:`Store.add_events`).
    is_duplicate: Sequence[bool] = ()


@dataclass(frozen=True)
class HistoryRows:
    """The last events of a visitor, oldest first, as equally long columns."""

    types: list[str] = field(default_factory=list)
    item_ids: list[str] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    quantities: list[float | None] = field(default_factory=list)
    prices: list[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class StoredEvent:
    """An event as the store gives it back (list events folded into one)."""

    event_id: str
    event: Event
    received_ms: int


@dataclass(frozen=True)
class CatalogueChanges:
    """What changed in the catalogue after a change number."""

    change: int
    items: list[Item]
    deleted: list[str]


@dataclass(frozen=True)
class BundleRecord:
    """One bundle in the registry."""

    version: str
    path: str
    manifest_sha256: str
    created_ms: int
    is_active: bool
    metrics: dict[str, Any]


@dataclass(frozen=True)
class ServedRecord:
    """One answer that was given: who asked, where, by which model, and the items in their order."""

    request_id: str
    time_ms: int
    placement: str
    user_id: str | None
    session_id: str | None
    model_version: str
    policy: str
    items: list[dict[str, Any]]  # item_id, position (from 0), score, source, propensity


@dataclass(frozen=True)
class ImportMark:
    """How far an import has come; saved in the same transaction as the rows it speaks of.

    Saving it with rows adds what became of them to the state's counters ``accepted`` and ``duplicates``.
    """

    import_key: str
    kind: str
    source: str
    rows_done: int  # rows of the file read so far
    byte_offset: int  # where the next record starts, in the uncompressed stream; -1 where rows are counted instead
    state: dict[str, Any]  # counters by reason, and whatever the reader needs to go on
    finished: bool


class Store(Protocol):
    """A workspace's memory. Every method that changes something returns only when the change is durable.

    All times are milliseconds of the workspace's clock, which stands at the last imported event and runs on from there.
    """

    def now_ms(self) -> int:
        """The workspace's time; before the first import the machine's."""
        ...

    def anchor_clock(self, last_event_ms: int) -> None:
        """Let the clock stand at the given time now, unless it is past it already."""
        ...

    def add_events(self, events: Sequence[Event], event_ids: Sequence[str]) -> WriteResult:
        """Add live events under their ids; one without a time, or stamped in the future, counts as of now."""
        ...

    def write_events(self, frame: pl.DataFrame, mark: ImportMark | None = None) -> WriteResult:
        """Write imported events (:data:`EVENT_FRAME`), the mark with them, and let the clock follow them."""
        ...

    def history(self, user_id: str | None, session_id: str | None, limit: int) -> HistoryRows:
        """A visitor's last events, one row per item: the user's, and those of the session that belong to nobody."""
        ...

    def visitor_items(self, user_id: str | None, session_id: str | None, kind: str) -> set[str]:
        """All items that a visitor (as in :meth:`history`) ever had an event of a type with."""
        ...

    def user_events(self, user_id: str, limit: int) -> list[StoredEvent]:
        """A user's last events, newest first."""
        ...

    def scan_events(self, *, before_ms: int | None = None, batch_rows: int = 100_000) -> Iterator[pl.DataFrame]:
        """All events in the order of arrival, in batches of :data:`TRAINING_FRAME`; later arrivals are left out."""
        ...

    def last_seq(self) -> int:
        """The number of the event that arrived last; 0 where there is none."""
        ...

    def num_events(self) -> int:
        """How many events there are; a list event counts once."""
        ...

    def popular_items(self, *, since_ms: int, limit: int) -> list[tuple[str, float]]:
        """The items with the most weight of events since a time, best first."""
        ...

    def ids(self, entity: Entity) -> list[str | None]:
        """Ids by row of the id map: None for the reserved rows 0 and 1, and where a user was deleted."""
        ...

    def newest_users(self, limit: int) -> list[str]:
        """The ids of the users that became known last, the newest first."""
        ...

    def num_users(self) -> int:
        """How many users are known."""
        ...

    def put_items(self, items: Sequence[Item], mark: ImportMark | None = None, *, undated: Undated = "arrival") -> int:
        """Append versions of items (undated ones become current at once); returns how many say something new.

        With ``undated="always"`` an undated record of an item not known before holds since the item was created.
        """
        ...

    def get_item(self, item_id: str) -> Item | None:
        """The current record of an item, or None."""
        ...

    def delete_item(self, item_id: str) -> bool:
        """End an item's record as of now; its history and its row stay. False: there was none."""
        ...

    def catalogue_changes(self, after: int) -> CatalogueChanges:
        """The current records of all items written after a change number (0: the whole catalogue)."""
        ...

    def catalogue_as_of(self, time_ms: int | None, *, last_change: int | None = None) -> pl.DataFrame:
        """The catalogue (:data:`CATALOGUE_FRAME`) as it stood at a time, or (None) as it is.

        Args:
            time_ms: When.
            last_change: Records that were written after this change number are left out, also those that say of
                themselves that they held before.
        """
        ...

    def put_users(self, users: Sequence[User], mark: ImportMark | None = None) -> int:
        """Write users' records; returns how many say something new."""
        ...

    def get_user(self, user_id: str) -> User | None:
        """A user's record; empty where only events are known, None where nothing is."""
        ...

    def delete_user(self, user_id: str) -> int:
        """Remove a user's record and events, and the user from the answers served; returns how many events went."""
        ...

    def import_mark(self, import_key: str) -> ImportMark | None:
        """How far an import has come, or None."""
        ...

    def save_import_mark(self, mark: ImportMark) -> None:
        """Save a mark by itself, where a stretch of a file added nothing."""
        ...

    def register_bundle(self, record: BundleRecord) -> None:
        """Add a bundle, not active yet. Raises DataError where the version exists."""
        ...

    def bundles(self) -> list[BundleRecord]:
        """All bundles, the newest first."""
        ...

    def activate_bundle(self, version: str) -> None:
        """Make a bundle the active one. Raises DataError where there is no such version."""
        ...

    def previous_bundle(self) -> BundleRecord | None:
        """The bundle that a rollback would make active, or None."""
        ...

    def rollback_bundle(self) -> str:
        """Go back to the bundle that was active before; returns its version. Raises DataError where there is none."""
        ...

    def delete_bundle(self, version: str) -> None:
        """Take a bundle out of the registry. Raises DataError where it is active or unknown."""
        ...

    def active_bundle(self) -> BundleRecord | None:
        """The active bundle, or None."""
        ...

    def log_served(self, records: Sequence[ServedRecord]) -> None:
        """Write down answers that were given; one with a known request id is left as it is."""
        ...

    def report(self, since_ms: int, until_ms: int) -> dict[str, dict[str, float]]:
        """Per placement what came of the answers of a period: answers, served, seen, clicked, bought, coverage."""
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...
