"""Visitors' profiles for tests: from a snapshot as evaluation builds them, from a store's history as a server does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import ShopLog, Snapshot
from aisle.store.contract import CATALOGUE_FRAME, TRAINING_FRAME, HistoryRows

NAN = float("nan")


@dataclass(frozen=True)
class Seen:
    """A profile, see :class:`aisle.features.profile.Profile`."""

    now_ms: int
    rows_n: NDArray[np.int32]
    times_ms_n: NDArray[np.int64]
    strengths_n: NDArray[np.float32]
    taken_n: NDArray[np.bool_]
    quantities_n: NDArray[np.float64]
    prices_n: NDArray[np.float64]


def profile_of(now_ms: int, *entries: tuple[int, int, float, bool, float, float]) -> Seen:
    """A profile of rows, times, strengths, whether taken, quantities and prices."""
    columns = zip(*entries, strict=True) if entries else [()] * 6
    kinds = (np.int32, np.int64, np.float32, np.bool_, np.float64, np.float64)
    return Seen(now_ms, *(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def offline_profiles(
    snapshot: Snapshot, users: Sequence[int], strengths: Mapping[str, float], target: str, *, with_prices: bool
) -> dict[int, Seen]:
    """By user; lines of one item, type and time are one entry with the sum of their quantities."""
    events = (
        snapshot.events.filter(pl.col("user").is_in(list(users)) & pl.col("type").is_in(list(strengths)))
        .group_by("user", "item", "time_ms", "type", maintain_order=True)
        .agg(pl.col("quantity").fill_null(1.0).sum(), pl.col("price").first().cast(pl.Float64).fill_null(NAN))
    )
    profiles = {user: profile_of(snapshot.until_ms) for user in users}
    for (user,), part in events.partition_by("user", as_dict=True).items():
        profiles[user] = profile_of(
            snapshot.until_ms,
            *(
                (item, time_ms, strengths[kind], kind == target, quantity, price if with_prices else NAN)
                for _, item, time_ms, kind, quantity, price in part.iter_rows()
            ),
        )
    return profiles


def online_profile(
    history: HistoryRows, row_of: Mapping[str, int], now_ms: int, strengths: Mapping[str, float], target: str
) -> Seen:
    """The same from a store's history, which tells no prices."""
    lines: dict[tuple[str, str, int], float] = {}
    for kind, item_id, time_ms, quantity in zip(
        history.types, history.item_ids, history.times_ms, history.quantities, strict=True
    ):
        if kind in strengths and item_id in row_of:
            key = (kind, item_id, time_ms)
            lines[key] = lines.get(key, 0.0) + (1.0 if quantity is None else quantity)
    return profile_of(
        now_ms,
        *(
            (row_of[item_id], time_ms, strengths[kind], kind == target, quantity, NAN)
            for (kind, item_id, time_ms), quantity in lines.items()
        ),
    )


def log_of_canonical(items: pl.DataFrame, events: pl.DataFrame) -> ShopLog:
    """The history in canonical files (as `aisle data` writes them), without a store."""
    item_ids = [*items["item_id"].unique(maintain_order=True)]
    user_ids = [*events["user_id"].drop_nulls().unique(maintain_order=True)]
    row_of = {
        name: pl.DataFrame({f"{name}_id": ids, f"{name}_row": np.arange(2, len(ids) + 2, dtype=np.int32)})
        for name, ids in (("item", item_ids), ("user", user_ids))
    }
    joined = events
    for name, rows in row_of.items():
        joined = joined.join(rows, on=f"{name}_id", how="left", maintain_order="left")
    training = joined.with_columns(
        pl.int_range(pl.len()).alias("seq"),
        pl.col("item_row", "user_row").fill_null(0),
        pl.col("timestamp").dt.epoch("ms").alias("time_ms"),
        pl.lit(None).alias("value"),
    )
    versions = items.join(row_of["item"], on="item_id").with_columns(
        pl.col("updated_at").dt.epoch("ms").alias("valid_from_ms"),
        *(
            pl.lit(None).alias(name)
            for name in CATALOGUE_FRAME
            if name not in (*items.columns, "item_row", "valid_from_ms")
        ),
    )

    def as_of(time_ms: int | None) -> pl.DataFrame:
        assert time_ms is not None
        current = versions.filter(pl.col("valid_from_ms") <= time_ms).sort("valid_from_ms", maintain_order=True)
        current = current.unique("item_row", keep="last").sort("item_row")
        return current.select(pl.col(name).cast(dtype) for name, dtype in CATALOGUE_FRAME.items())

    frame = training.select(pl.col(name).cast(dtype) for name, dtype in TRAINING_FRAME.items())
    return ShopLog(frame, [None, None, *item_ids], [None, None, *user_ids], as_of)
