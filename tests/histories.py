"""Small shop histories written by hand, as training reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson
import polars as pl

from aisle.data.snapshots import ShopLog, Snapshot
from aisle.retrieval import Signals
from aisle.schema import DAY_MS, Item
from aisle.store.contract import CATALOGUE_FRAME, TRAINING_FRAME

#: Day 0 of every history. (Early times of the epoch would be read as seconds where a record is parsed.)
START_MS = 20_000 * DAY_MS
SIGNALS = Signals({"purchase": 1.0, "view": 0.2}, "purchase")


@dataclass(frozen=True)
class Line:
    """One event: on which day, who, and what."""

    day: float
    user: str | None
    item: str
    type: str = "purchase"
    order: str | None = None
    session: str | None = None
    value: float | None = None


def at(day: float) -> int:
    """The time of a day of the history, in milliseconds."""
    return START_MS + round(day * DAY_MS)


def log_of(lines: Sequence[Line], items: Sequence[Item] = (), *, item_order: Sequence[str] = ()) -> ShopLog:
    """The history of these events in the order of arrival; ``items`` are versions, valid from ``updated_at``.

    Rows of the id maps go by ``item_order``, then by first appearance.
    """
    item_ids = list(dict.fromkeys([*item_order, *(item.item_id for item in items), *(line.item for line in lines)]))
    user_ids = list(dict.fromkeys(line.user for line in lines if line.user is not None))
    item_rows = {item_id: row for row, item_id in enumerate(item_ids, 2)}
    user_rows = {user_id: row for row, user_id in enumerate(user_ids, 2)}
    rows = [
        {
            "seq": seq,
            "type": line.type,
            "user_row": 0 if line.user is None else user_rows[line.user],
            "session_id": line.session,
            "item_row": item_rows[line.item],
            "time_ms": at(line.day),
            "value": line.value,
            "quantity": 1.0,
            "price": None,
            "order_id": line.order,
        }
        for seq, line in enumerate(lines)
    ]
    events = pl.DataFrame(rows, schema=TRAINING_FRAME, orient="row")
    return ShopLog(events, [None, None, *item_ids], [None, None, *user_ids], _catalogue(items, item_rows))


def snapshot_of(
    lines: Sequence[Line], items: Sequence[Item] = (), *, day: float, item_order: Sequence[str] = ()
) -> Snapshot:
    """What was known just before a day."""
    return log_of(lines, items, item_order=item_order).before(at(day))


def _catalogue(items: Sequence[Item], item_rows: dict[str, int]) -> Callable[[int | None], pl.DataFrame]:
    def as_of(time_ms: int | None) -> pl.DataFrame:
        current: dict[str, Item] = {}
        for item in sorted(items, key=lambda item: item.updated_at or 0):
            if time_ms is None or (item.updated_at or 0) <= time_ms:
                current[item.item_id] = item
        rows = []
        for item in sorted(current.values(), key=lambda item: item_rows[item.item_id]):
            values = item.model_dump()
            values |= {"item_row": item_rows[item.item_id], "created_ms": item.created_at}
            values |= {"valid_from_ms": item.updated_at, "attributes": orjson.dumps(item.attributes).decode()}
            rows.append({name: values[name] for name in CATALOGUE_FRAME})
        return pl.DataFrame(rows, schema=CATALOGUE_FRAME, orient="row")

    return as_of
