"""Decayed count: each event counts its weight, halved once per half-life. The state is a value and its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import Aggregate, check_positive
from aisle.features.aggregates.event import Event
from aisle.features.aggregates.history import KeyedEvents, Spans
from aisle.schema import DAY_MS


@dataclass(slots=True)
class Decayed:
    """A value as of the time of its last event."""

    value: float = 0.0
    last_ms: int | None = None

    def add(self, amount: float, time_ms: int, half_life_days: float) -> None:
        """Add what happened at a time; a late arrival counts what is left of it at the last event's time."""
        if self.last_ms is None:
            self.value, self.last_ms = amount, time_ms
        elif time_ms >= self.last_ms:
            self.value = self.at(time_ms, half_life_days) + amount
            self.last_ms = time_ms
        else:
            self.value += amount * _left(self.last_ms - time_ms, half_life_days)

    def at(self, time_ms: int, half_life_days: float) -> float:
        """What is left at a time; before the last event: the whole value."""
        return self.value if self.last_ms is None else self.value * _left(time_ms - self.last_ms, half_life_days)


def _left(gap_ms: int, half_life_days: float) -> float:
    return float(2.0 ** (-max(gap_ms, 0) / (DAY_MS * half_life_days)))


class DecayedCount(Aggregate[Decayed]):
    """The sum of the events' weights, each halved once per half-life; events may arrive in any order.

    Args:
        half_life_days: Above 0; a very long one counts.
    """

    names = ("decayed_count",)

    def __init__(self, half_life_days: float) -> None:
        check_positive("half_life_days", half_life_days)
        self.half_life_days = half_life_days

    def empty(self) -> Decayed:
        """Nothing counted."""
        return Decayed()

    def update(self, state: Decayed, event: Event) -> None:
        """Add the event's weight."""
        state.add(event.weight, event.time_ms, self.half_life_days)

    def read(self, state: Decayed, time_ms: int) -> tuple[float, ...]:
        """What is left of all weights."""
        return (state.at(time_ms, self.half_life_days),)

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        return history.decayed(history.weights_N, spans, self.half_life_days)[:, None]
