"""Windowed counts: the weight of the last so many days, today included. The state is one bucket a day."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import Aggregate
from aisle.features.aggregates.event import Event
from aisle.features.aggregates.history import KeyedEvents, Spans
from aisle.schema import DAY_MS


@dataclass(slots=True)
class DayBuckets:
    """The weight of each of the last days that had any."""

    weight_of_day: dict[int, float] = field(default_factory=dict)
    last_day: int | None = None

    def add(self, weight: float, day: int, kept_days: int) -> None:
        """Add weight to a day, and forget days that are ``kept_days`` or more before the last one."""
        if self.last_day is None or day > self.last_day:
            self.last_day = day
            for old in [one for one in self.weight_of_day if one <= day - kept_days]:
                del self.weight_of_day[old]
        if day > self.last_day - kept_days:
            self.weight_of_day[day] = self.weight_of_day.get(day, 0.0) + weight

    def day_of(self, time_ms: int) -> int:
        """The day of a read: never before the last event's."""
        day = time_ms // DAY_MS
        return day if self.last_day is None else max(day, self.last_day)

    def between(self, first_day: int, end_day: int) -> float:
        """The weight of the days from the first one to before the last one."""
        return sum(weight for day, weight in self.weight_of_day.items() if first_day <= day < end_day)


class WindowedCounts(Aggregate[DayBuckets]):
    """The weights of several windows, each of whole days (UTC) up to and with the day of reading.

    Events may arrive in any order; one older than the longest window before the last event is no part of any window.

    Args:
        days: The lengths, each at least 1; the state keeps as many buckets as the longest.
    """

    def __init__(self, *days: int) -> None:
        if not days or min(days) < 1:
            raise ValueError(f"days: expected lengths of at least 1 day, received {days}")
        self.days = days
        self.names = tuple(f"count_{length}d" for length in days)

    def empty(self) -> DayBuckets:
        """No bucket."""
        return DayBuckets()

    def update(self, state: DayBuckets, event: Event) -> None:
        """Add the event's weight to its day."""
        state.add(event.weight, event.time_ms // DAY_MS, max(self.days))

    def read(self, state: DayBuckets, time_ms: int) -> tuple[float, ...]:
        """The weight of each window."""
        today = state.day_of(time_ms)
        return tuple(state.between(today - length + 1, today + 1) for length in self.days)

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        windows = [history.within(history.weights_N, spans, spans.days_M - length + 1) for length in self.days]
        return np.stack(windows, axis=1)
