"""Last year's same season: what was counted a year ago in the days that follow the same date."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import Aggregate
from aisle.features.aggregates.event import Event
from aisle.features.aggregates.history import KeyedEvents, Spans, between
from aisle.features.aggregates.windowed_count import DayBuckets
from aisle.schema import DAY_MS

YEAR_DAYS = 365


class LastSeason(Aggregate[DayBuckets]):
    """The weight of the days from 365 days ago on, as many as are looked ahead; one bucket a day for a year.

    Events may arrive in any order; one older than a year before the last event is never read.

    Args:
        ahead_days: 1 to 365 days, the placement's horizon.
    """

    names = ("last_season",)

    def __init__(self, ahead_days: int) -> None:
        if not 1 <= ahead_days <= YEAR_DAYS:
            raise ValueError(f"ahead_days: expected 1 to {YEAR_DAYS}, received {ahead_days}")
        self.ahead_days = ahead_days

    def empty(self) -> DayBuckets:
        """No bucket."""
        return DayBuckets()

    def update(self, state: DayBuckets, event: Event) -> None:
        """Add the event's weight to its day."""
        state.add(event.weight, event.time_ms // DAY_MS, YEAR_DAYS + 1)

    def read(self, state: DayBuckets, time_ms: int) -> tuple[float, ...]:
        """The weight of the days ahead, a year before."""
        first = state.day_of(time_ms) - YEAR_DAYS
        return (state.between(first, first + self.ahead_days),)

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        first_M = spans.days_M - YEAR_DAYS
        starts_M = history.from_day(spans, first_M)
        ends_M = history.from_day(spans, first_M + self.ahead_days)
        return between(history.weights_N, starts_M, ends_M)[:, None]
