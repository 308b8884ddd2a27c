"""The store: events, catalogue, users, id maps, the bundle registry and the answers that were served."""

from pathlib import Path

from aisle.store.contract import (
    CATALOGUE_FRAME,
    EVENT_FRAME,
    TRAINING_FRAME,
    BundleRecord,
    CatalogueChanges,
    Entity,
    HistoryRows,
    ImportMark,
    ServedRecord,
    Store,
    StoredEvent,
    WriteResult,
)
from aisle.store.sql import SqlStore
from aisle.store.tables import FIRST_ROW


def open_store(path: str | Path) -> Store:
    """Open the store in a file; a missing one is made."""
    return SqlStore(path)


__all__ = [
    "CATALOGUE_FRAME",
    "EVENT_FRAME",
    "FIRST_ROW",
    "TRAINING_FRAME",
    "BundleRecord",
    "CatalogueChanges",
    "Entity",
    "HistoryRows",
    "ImportMark",
    "ServedRecord",
    "SqlStore",
    "Store",
    "StoredEvent",
    "WriteResult",
    "open_store",
]
