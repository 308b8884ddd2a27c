"""Popular, trending and newly arrived items: counts of distinct visitors, so that one buyer of many does not rule."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import PopularityList
from aisle.recipe.generators import ArrivalsSpec, PopularitySpec, TrendingSpec
from aisle.retrieval.matrices import Signals, signal_events


def fit_popularity(name: str, spec: PopularitySpec, snapshot: Snapshot, signals: Signals) -> list[PopularityList]:
    """One list per half-life: the sum over visitors of the strongest decayed signal."""
    return [
        PopularityList(
            source,
            _decayed_visitors(snapshot, signals, half_life),
            reason="Popular with other customers",
        )
        for source, half_life in zip(spec.source_names(name), spec.half_life_days, strict=True)
    ]


def fit_trending(name: str, spec: TrendingSpec, snapshot: Snapshot, signals: Signals) -> list[PopularityList]:
    """Visitors of the recent window over those expected from the base window, shrunk by a prior."""
    recent = _visitors_within(snapshot, signals, spec.recent_days)
    base = _visitors_within(snapshot, signals, spec.base_days)
    expected = base * (spec.recent_days / spec.base_days) + spec.prior_visitors
    return [PopularityList(name, (recent / expected).astype(np.float32), reason="Trending now")]


def fit_arrivals(name: str, spec: ArrivalsSpec, snapshot: Snapshot, signals: Signals) -> list[PopularityList]:
    """Popular items, weighted by how new they are."""
    events = signal_events(snapshot, signals)
    first_age = events.group_by("item").agg(pl.col("age_days").max())
    newness = np.zeros(snapshot.num_items)
    newness[first_age["item"].to_numpy()] = np.exp2(-first_age["age_days"].to_numpy() / spec.half_life_days)
    scores = newness * _decayed_visitors(snapshot, signals, spec.half_life_days)
    return [PopularityList(name, scores.astype(np.float32), reason="New in the shop")]


def _decayed_visitors(snapshot: Snapshot, signals: Signals, half_life_days: float) -> NDArray[np.float32]:
    events = signal_events(snapshot, signals)
    decayed = pl.col("strength") * (-pl.col("age_days") / half_life_days * np.log(2)).exp()
    by_visitor = events.group_by("visitor", "item", maintain_order=True).agg(decayed.max().alias("weight"))
    weights = by_visitor["weight"].to_numpy()
    return np.bincount(by_visitor["item"].to_numpy(), weights, minlength=snapshot.num_items).astype(np.float32)


def _visitors_within(snapshot: Snapshot, signals: Signals, days: float) -> NDArray[np.float64]:
    events = signal_events(snapshot, signals).filter(pl.col("age_days") <= days)
    by_visitor = events.group_by("visitor", "item", maintain_order=True).agg(pl.col("strength").max())
    weights = by_visitor["strength"].to_numpy()
    return np.bincount(by_visitor["item"].to_numpy(), weights, minlength=snapshot.num_items).astype(np.float64)
