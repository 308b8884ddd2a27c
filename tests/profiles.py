"""Profiles written by hand for tests, and the history in canonical files as training reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import ShopLog
from aisle.store.contract import CATALOGUE_FRAME, TRAINING_FRAME

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
