"""What was known at one time: the events, ids and catalogue before it. Every fit reads a snapshot and nothing else.

A snapshot's items and visitors are numbered densely in the workspace's own order: row 0 is padding, row 1 unknown,
real ones start at row 2. Only ids seen before the snapshot's time have a row, so nothing that came later, not even the
existence of an item, reaches a model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import DataError
from aisle.schema import DAY_MS
from aisle.store.contract import CATALOGUE_FRAME, TRAINING_FRAME, Store

logger = logging.getLogger(__name__)

FIRST_ROW = 2  # row 0 is padding, row 1 unknown
_NO_MORE = 2**62  # nothing was written after this change

#: The events of a snapshot: ``user`` and ``item`` are its dense rows (``user`` 0: nobody known), ``basket`` numbers
#: orders, or sessions where there is no order, or a user's day where there is neither; -1 for the rest.
SNAPSHOT_FRAME = pl.Schema(
    {
        "type": pl.String,
        "user": pl.Int32,
        "session_id": pl.String,
        "item": pl.Int32,
        "time_ms": pl.Int64,
        "value": pl.Float64,
        "quantity": pl.Float64,
        "price": pl.Float64,
        "order_id": pl.String,
        "basket": pl.Int32,
    }
)


@dataclass(frozen=True)
class LogMark:
    """How far a history was read: the last event and the last change of the catalogue to arrive, and the present."""

    last_seq: int
    last_change: int
    now_ms: int

    @classmethod
    def of(cls, store: Store) -> LogMark:
        """The present mark of a store."""
        return cls(store.last_seq(), store.catalogue_changes(_NO_MORE).change, store.now_ms())


@dataclass(frozen=True)
class Snapshot:
    """All that may be used to fit something that speaks from ``until_ms`` on."""

    until_ms: int
    events: pl.DataFrame  # SNAPSHOT_FRAME, ordered by time, then arrival
    item_ids: list[str]  # by row; "" for rows 0 and 1
    user_ids: list[str]
    catalogue: pl.DataFrame  # CATALOGUE_FRAME without item_row, one row per item row from FIRST_ROW on

    @property
    def num_items(self) -> int:
        """Rows of the item id map, the two reserved ones included."""
        return len(self.item_ids)

    @property
    def num_users(self) -> int:
        """Rows of the user id map, the two reserved ones included."""
        return len(self.user_ids)

    def of_type(self, *types: str) -> pl.DataFrame:
        """The events of these types."""
        return self.events.filter(pl.col("type").is_in(types))

    @cached_property
    def item_row_of(self) -> dict[str, int]:
        """Item id to row."""
        return {item_id: row for row, item_id in enumerate(self.item_ids) if row >= FIRST_ROW}

    def age_days(self, events: pl.DataFrame) -> NDArray[np.float64]:
        """Days from each event to the snapshot's time; never negative."""
        ages: NDArray[np.float64] = np.maximum(self.until_ms - events["time_ms"].to_numpy(), 0) / DAY_MS
        return ages


class ShopLog:
    """A workspace's whole history, read once, from which snapshots are cut.

    Args:
        events: ``TRAINING_FRAME`` of a store.
        item_ids: the store's item id map, by row.
        user_ids: the store's user id map, by row.
        catalogue_as_of: gives the catalogue (``CATALOGUE_FRAME``) as it stood at a time.
    """

    def __init__(
        self,
        events: pl.DataFrame,
        item_ids: Sequence[str | None],
        user_ids: Sequence[str | None],
        catalogue_as_of: Callable[[int | None], pl.DataFrame],
    ) -> None:
        if events.is_empty():
            raise DataError(
                "expected events to learn from, received an empty workspace; run `aisle import events FILE`"
            )
        self.events = events.sort("time_ms", "seq")
        self._item_ids = item_ids
        self._user_ids = user_ids
        self._catalogue_as_of = catalogue_as_of

    @classmethod
    def read(cls, store: Store, mark: LogMark | None = None) -> ShopLog:
        """Read everything from a store (about 50 bytes of memory an event), or what an earlier reading read."""
        batches = list(store.scan_events())
        events = pl.concat(batches) if batches else pl.DataFrame(schema=TRAINING_FRAME)
        if mark is not None:
            events = events.filter(pl.col("seq") <= mark.last_seq)
        is_past = pl.col("time_ms") <= (store.now_ms() if mark is None else mark.now_ms)
        if future := events.filter(~is_past).height:
            logger.warning("%d events lie in the shop's future and are left out; aisle validate tells more", future)
            events = events.filter(is_past)
        last_change = None if mark is None else mark.last_change
        as_of = partial(store.catalogue_as_of, last_change=last_change)
        return cls(events, store.ids("item"), store.ids("user"), as_of)

    @property
    def first_ms(self) -> int:
        """Time of the first event."""
        return int(self.events["time_ms"][0])

    @property
    def end_ms(self) -> int:
        """The midnight (UTC) after the last event."""
        return (int(self.events["time_ms"][-1]) // DAY_MS + 1) * DAY_MS

    def before(self, until_ms: int) -> Snapshot:
        """What was known just before ``until_ms``."""
        events = self.events.filter(pl.col("time_ms") < until_ms)
        # The catalogue is read later than the events: an item that came in between has no row here.
        catalogue = self._catalogue_as_of(until_ms - 1).filter(pl.col("item_row") < len(self._item_ids))
        seen = pl.concat([events["item_row"], catalogue["item_row"].cast(pl.Int32)]).unique().sort()
        item_rows = seen.filter(seen >= FIRST_ROW).to_numpy()
        users = events["user_row"].unique().sort()
        user_rows = users.filter(users >= FIRST_ROW).to_numpy()
        dense_items = _dense(item_rows, len(self._item_ids))
        dense_users = _dense(user_rows, len(self._user_ids))
        item_ids = ["", "", *(str(self._item_ids[row]) for row in item_rows)]
        frame = events.with_columns(
            item=pl.Series(dense_items[events["item_row"].to_numpy()]),
            user=pl.Series(dense_users[events["user_row"].to_numpy()]),
        ).with_columns(basket=_basket())
        aligned = (
            pl.DataFrame({"item_row": item_rows}, schema={"item_row": pl.Int32})
            .join(catalogue.cast({"item_row": pl.Int32}), on="item_row", how="left", maintain_order="left")
            .with_columns(item_id=pl.Series(item_ids[FIRST_ROW:], dtype=pl.String))
        )
        return Snapshot(
            until_ms=until_ms,
            events=_as_snapshot_frame(frame),
            item_ids=item_ids,
            user_ids=["", "", *(str(self._user_ids[row]) for row in user_rows)],
            catalogue=aligned.select([name for name in CATALOGUE_FRAME.names() if name != "item_row"]),
        )

    def during(self, snapshot: Snapshot, until_ms: int, *types: str) -> pl.DataFrame:
        """Events from the snapshot's time to ``until_ms`` in the snapshot's rows, without items it does not know.

        Returns:
            ``SNAPSHOT_FRAME`` and ``has_user``: a user that the snapshot does not know has row 0, but is somebody.
        """
        events = self.events.filter(
            pl.col("time_ms").is_between(snapshot.until_ms, until_ms, closed="left") & pl.col("type").is_in(types)
        )
        users = {user_id: row for row, user_id in enumerate(snapshot.user_ids) if row >= FIRST_ROW}
        item_of = _rows_of(self._item_ids, snapshot.item_row_of)
        user_of = _rows_of(self._user_ids, users)
        known = (
            events.with_columns(
                item=pl.Series(item_of[events["item_row"].to_numpy()]),
                user=pl.Series(user_of[events["user_row"].to_numpy()]),
            )
            .filter(pl.col("item") > 0)
            .with_columns(basket=_basket())
        )
        return _as_snapshot_frame(known).with_columns(has_user=known["user_row"] >= FIRST_ROW)


def _as_snapshot_frame(events: pl.DataFrame) -> pl.DataFrame:
    return events.select(pl.col(name).cast(dtype) for name, dtype in SNAPSHOT_FRAME.items())


def _dense(rows: NDArray[np.int64], size: int) -> NDArray[np.int32]:
    """Map workspace rows to dense ones; rows that are not listed map to 0."""
    dense = np.zeros(max(size, int(rows.max(initial=0)) + 1), np.int32)
    dense[rows] = np.arange(FIRST_ROW, FIRST_ROW + len(rows), dtype=np.int32)
    return dense


def _rows_of(ids: Sequence[str | None], row_of: Mapping[str, int]) -> NDArray[np.int32]:
    """The snapshot's row of each workspace row; 0 where it has none."""
    return np.array([0 if one is None else row_of.get(one, 0) for one in ids], np.int32)


def _basket() -> pl.Expr:
    """Number baskets: an order, else a session, else one visitor's day."""
    day = (pl.col("time_ms") // DAY_MS).cast(pl.String)
    visitor_day = pl.when(pl.col("user") > 0).then(pl.lit("d") + pl.col("user").cast(pl.String) + pl.lit("-") + day)
    key = pl.coalesce(pl.lit("o") + pl.col("order_id"), pl.lit("s") + pl.col("session_id"), visitor_day)
    return (key.rank("dense") - 1).cast(pl.Int32).fill_null(-1)
