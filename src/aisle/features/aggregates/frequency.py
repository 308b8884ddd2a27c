"""Frequency: on how many distinct days, and in how many distinct baskets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import Aggregate
from aisle.features.aggregates.event import Event
from aisle.features.aggregates.history import KeyedEvents, Spans
from aisle.schema import DAY_MS

#: So many days back, and so many baskets, are remembered: what comes again within them is counted once.
MEMORY = 64


@dataclass(slots=True)
class DistinctDays:
    """How many distinct days there were; the last 64 days are remembered bit by bit."""

    count: int = 0
    first_day: int = 0
    last_day: int = 0
    recent_bits: int = 0  # bit n: whether there was something n days before the last day

    def add(self, day: int) -> None:
        """Count a day once; a late one that is too old to be remembered is taken to be counted, unless it is first."""
        if not self.count:
            self.count, self.first_day, self.last_day, self.recent_bits = 1, day, day, 1
            return
        if day > self.last_day:
            shift = day - self.last_day
            self.recent_bits = (self.recent_bits << shift) % 2**MEMORY if shift < MEMORY else 0
            self.last_day = day
        back = self.last_day - day
        if back < MEMORY:
            is_new = not self.recent_bits >> back & 1
            self.recent_bits |= 1 << back
        else:
            is_new = day < self.first_day
        self.count += is_new
        self.first_day = min(self.first_day, day)


@dataclass(slots=True)
class Distinct:
    """Distinct days, distinct baskets, and the last baskets by number, oldest first."""

    days: DistinctDays = field(default_factory=DistinctDays)
    num_baskets: int = 0
    recent_baskets: list[int] = field(default_factory=list)


class Frequency(Aggregate[Distinct]):
    """The number of distinct days (UTC) and of distinct baskets with an event.

    Events may arrive in any order within 64 days and 64 baskets; a basket that comes again after 64 others counts
    again, a day that arrives more than 64 days late is taken to be counted, unless it is the first of all.
    """

    names = ("num_days", "num_baskets")

    def empty(self) -> Distinct:
        """None."""
        return Distinct()

    def update(self, state: Distinct, event: Event) -> None:
        """Count the event's day and basket, where they are new."""
        state.days.add(event.time_ms // DAY_MS)
        if event.basket >= 0 and event.basket not in state.recent_baskets:
            state.num_baskets += 1
            state.recent_baskets = [*state.recent_baskets, event.basket][-MEMORY:]

    def read(self, state: Distinct, time_ms: int) -> tuple[float, ...]:
        """Both numbers."""
        return float(state.days.count), float(state.num_baskets)

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        return np.stack(
            [history.total(new_days(history), spans), history.total(_new_baskets(history), spans)],
            axis=1,
        )


def new_days(history: KeyedEvents) -> NDArray[np.float64]:
    """1 for the first event of each day of each key, else 0."""
    is_new_N = history.is_first_N.copy()
    is_new_N[1:] |= history.days_N[1:] != history.days_N[:-1]
    return is_new_N.astype(np.float64)


def _new_baskets(history: KeyedEvents) -> NDArray[np.float64]:
    """1 for the first event of each basket of each key, else 0."""
    baskets_N = history.baskets_N
    order = np.lexsort((np.arange(len(history)), baskets_N, history.keys_N))
    baskets, keys = baskets_N[order], history.keys_N[order]
    starts = np.ones(len(order), np.bool_)
    starts[1:] = (baskets[1:] != baskets[:-1]) | (keys[1:] != keys[:-1])
    is_new_N = np.zeros(len(order))
    is_new_N[order] = starts & (baskets >= 0)
    return is_new_N
