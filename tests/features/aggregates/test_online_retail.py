"""Parity on real data: events streamed one by one and read, and the as-of form, for sampled users, items and times."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.data import datasets
from aisle.features.aggregates import (
    Aggregate,
    Allowance,
    DecayedCount,
    EventTable,
    Frequency,
    Interval,
    LastSeason,
    LogMean,
    Recency,
    Sums,
    WindowedCounts,
    pair_keys,
)

pytestmark = pytest.mark.data

RETAIL = datasets.get("online_retail")
KINDS: list[Aggregate[Any]] = [
    DecayedCount(28.0),
    WindowedCounts(7, 28, 90, 365),
    LastSeason(28),
    Recency(),
    Frequency(),
    Sums(),
    LogMean("price", 90.0),
    LogMean("quantity", 90.0),
    Interval(),
    Allowance(1.0, 28.0),
]


@pytest.fixture(scope="module")
def purchases() -> pl.DataFrame:
    if datasets.locate(RETAIL) is None:
        pytest.skip("needs Online Retail in AISLE_DATA or the user's cache")
    events = datasets.load(RETAIL).events
    return events.filter((pl.col("type") == "purchase") & pl.col("user_id").is_not_null()).select(
        user=pl.col("user_id").rank("dense").cast(pl.Int64),
        item=pl.col("item_id").rank("dense").cast(pl.Int64),
        basket=pl.col("order_id").rank("dense").cast(pl.Int64),
        time_ms=pl.col("timestamp").dt.epoch("ms"),
        quantity=pl.col("quantity"),
        price=pl.col("price"),
    )


@pytest.mark.parametrize("keyed_by", ["user-item", "user", "item"])
def test_2000_sampled_reads(purchases: pl.DataFrame, keyed_by: str) -> None:
    users, items = purchases["user"].to_numpy(), purchases["item"].to_numpy()
    keys = {"user-item": pair_keys(users, items), "user": users, "item": items}[keyed_by]
    table = EventTable.of(
        keys,
        purchases["time_ms"].to_numpy(),
        quantities=purchases["quantity"].to_numpy(),
        prices=purchases["price"].to_numpy(),
        baskets=purchases["basket"].to_numpy(),
    )
    random = np.random.default_rng(0)
    # Many reads of a pair, few keys with a thousand events each: streaming them one by one takes its time.
    sampled = random.choice(keys, 2000 if keyed_by == "user-item" else 30)
    keys_M = np.resize(sampled, 2000)
    last_ms = int(table.times_ms_N.max())
    times_M = random.integers(int(table.times_ms_N.min()), last_ms + 90 * 86_400_000, 2000)
    at_an_event = random.random(2000) < 0.3
    times_M[at_an_event] = random.choice(table.times_ms_N, int(at_an_event.sum()))
    order = np.lexsort((times_M, keys_M))
    by_key = {int(key): np.flatnonzero(table.keys_N == key) for key in np.unique(keys_M)}
    for kind in KINDS:
        values = kind.as_of(table, keys_M, times_M)
        assert np.isfinite(values).all()
        state, done, current = kind.empty(), 0, None
        for read in order.tolist():
            key = int(keys_M[read])
            if key != current:
                state, done, current = kind.empty(), 0, key
            rows = by_key[key]
            while done < len(rows) and table.times_ms_N[rows[done]] < times_M[read]:
                kind.update(state, table.event(int(rows[done])))
                done += 1
            found = kind.read(state, int(times_M[read]))
            assert values[read].tolist() == pytest.approx(found, rel=1e-6, abs=1e-6), kind
