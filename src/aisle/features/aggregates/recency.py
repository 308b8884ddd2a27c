"""Recency: days since the last and since the first event. The state is two times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import NEVER_DAYS, Aggregate
from aisle.features.aggregates.event import Event
from aisle.features.aggregates.history import KeyedEvents, Spans
from aisle.schema import DAY_MS


@dataclass(slots=True)
class FirstAndLast:
    """The times of the earliest and of the latest event."""

    first_ms: int | None = None
    last_ms: int | None = None


class Recency(Aggregate[FirstAndLast]):
    """Days since the last event and since the first one, at most ``NEVER_DAYS``, which also says that there was none.

    Events may arrive in any order.
    """

    names = ("last_age_days", "first_age_days")

    def empty(self) -> FirstAndLast:
        """Never."""
        return FirstAndLast()

    def update(self, state: FirstAndLast, event: Event) -> None:
        """Widen the stretch of time by the event."""
        time_ms = event.time_ms
        state.first_ms = time_ms if state.first_ms is None else min(state.first_ms, time_ms)
        state.last_ms = time_ms if state.last_ms is None else max(state.last_ms, time_ms)

    def read(self, state: FirstAndLast, time_ms: int) -> tuple[float, ...]:
        """Ages at a time."""
        if state.first_ms is None or state.last_ms is None:
            return NEVER_DAYS, NEVER_DAYS
        now_ms = max(time_ms, state.last_ms)
        return tuple(min((now_ms - then) / DAY_MS, NEVER_DAYS) for then in (state.last_ms, state.first_ms))

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        ages_MF = np.full((len(spans.starts_M), 2), NEVER_DAYS)
        if len(history):
            for column, at_M in enumerate((spans.lasts_M, spans.starts_M)):
                days_M = (spans.times_ms_M - history.times_ms_N[at_M]) / DAY_MS
                ages_MF[:, column] = np.where(spans.filled_M, np.minimum(days_M, NEVER_DAYS), NEVER_DAYS)
        return ages_MF
