"""What a visitor buys again: recency and frequency, and each item's repurchase interval."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import RepeatGenerator
from aisle.recipe.generators import RepeatsSpec, source_name
from aisle.retrieval.matrices import Signals
from aisle.schema import DAY_MS

DEFAULT_INTERVAL_DAYS = 30.0


def fit_repeats(name: str, spec: RepeatsSpec, snapshot: Snapshot, signals: Signals) -> list[RepeatGenerator]:
    """One source per half-life, and the source ``NAME_due`` with fitted intervals."""
    generators = [
        RepeatGenerator(source_name(name, half_life), score="recency", half_life_days=half_life)
        for half_life in spec.half_life_days
    ]
    if spec.due:
        intervals = repurchase_intervals(snapshot, signals.target, spec.min_intervals)
        generators.append(RepeatGenerator(f"{name}_due", score="due", interval_days_V=intervals))
    return generators


def repurchase_intervals(snapshot: Snapshot, target: str, min_intervals: int) -> NDArray[np.float32]:
    """The median days between two purchases of an item by the same user, on different days.

    Items with fewer than ``min_intervals`` such pairs have the median of all pairs; with no pair at all, 30 days.

    Returns:
        Days by item row, at least 1.
    """
    days = (
        snapshot.of_type(target)
        .filter(pl.col("user") > 0)
        .select("user", "item", day=pl.col("time_ms") // DAY_MS)
        .unique()
        .sort("user", "item", "day")
    )
    gap = (pl.col("day") - pl.col("day").shift()).over("user", "item")
    gaps = days.with_columns(gap=gap).drop_nulls("gap")
    overall = float(gaps["gap"].median() or DEFAULT_INTERVAL_DAYS)  # type: ignore[arg-type]
    by_item = gaps.group_by("item").agg(pl.col("gap").median(), pl.len()).filter(pl.col("len") >= min_intervals)
    intervals = np.full(snapshot.num_items, overall, np.float32)
    intervals[by_item["item"].to_numpy()] = by_item["gap"].to_numpy()
    return np.maximum(intervals, 1.0)
