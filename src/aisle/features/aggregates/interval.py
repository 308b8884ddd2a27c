"""Repurchase interval: the mean gap between days with an event, and how due the next one is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import NEVER_DAYS, Aggregate
from aisle.features.aggregates.event import Event
from aisle.features.aggregates.frequency import DistinctDays, new_days
from aisle.features.aggregates.history import KeyedEvents, Spans
from aisle.schema import DAY_MS


@dataclass(slots=True)
class DaysAndLast:
    """Distinct days, and the time of the last event."""

    days: DistinctDays = field(default_factory=DistinctDays)
    last_ms: int = 0


class Interval(Aggregate[DaysAndLast]):
    """The mean days between two distinct days (UTC) with an event, how many such gaps there were, and how due it is.

    Due is the age of the last event over the mean gap: 1 when the next one is to be expected. All are 0 before the
    second day. Events may arrive in any order within 64 days (see :class:`~aisle.features.aggregates.Frequency`).
    """

    names = ("mean_gap_days", "num_gaps", "due")

    def empty(self) -> DaysAndLast:
        """No day."""
        return DaysAndLast()

    def update(self, state: DaysAndLast, event: Event) -> None:
        """Count the event's day, if it is new."""
        state.last_ms = max(state.last_ms, event.time_ms) if state.days.count else event.time_ms
        state.days.add(event.time_ms // DAY_MS)

    def read(self, state: DaysAndLast, time_ms: int) -> tuple[float, ...]:
        """The gap, their number, and how due."""
        num_gaps = state.days.count - 1
        if num_gaps < 1:
            return 0.0, 0.0, 0.0
        gap = (state.days.last_day - state.days.first_day) / num_gaps
        age = min(max(time_ms - state.last_ms, 0) / DAY_MS, NEVER_DAYS)
        return gap, float(num_gaps), age / gap

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        values_MF = np.zeros((len(spans.starts_M), 3))
        if len(history):
            num_gaps_M = np.maximum(history.total(new_days(history), spans) - 1, 0)
            stretch_M = history.days_N[spans.lasts_M] - history.days_N[spans.starts_M]
            ages_M = np.minimum((spans.times_ms_M - history.times_ms_N[spans.lasts_M]) / DAY_MS, NEVER_DAYS)
            has_gap_M = num_gaps_M > 0
            values_MF[:, 1] = num_gaps_M
            np.divide(stretch_M, num_gaps_M, out=values_MF[:, 0], where=has_gap_M)
            np.divide(ages_M, values_MF[:, 0], out=values_MF[:, 2], where=has_gap_M)
        return values_MF
