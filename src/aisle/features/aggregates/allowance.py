"""Allowance: how much one visitor may still add to the popularity of one item, so that bots and wholesale do not rule.

What a visitor added to an item fades with a half-life and never exceeds a cap. With a cap of 1, the decayed count of
the capped weights (same half-life) is the number of visitors, each faded since the last time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import Aggregate, check_positive
from aisle.features.aggregates.decayed_count import Decayed
from aisle.features.aggregates.event import Event, EventTable
from aisle.features.aggregates.history import KeyedEvents, Spans
from aisle.schema import DAY_MS


class Allowance(Aggregate[Decayed]):
    """What is left of a cap on decayed weight; keyed by visitor and item.

    Events must arrive in the order of their times: what a late one may add depends on those that came before it. One
    that is late counts as of the last event.

    Args:
        cap: The most decayed weight that the key may hold, above 0.
        half_life_days: Above 0.
    """

    names = ("allowance",)
    any_order = False

    def __init__(self, cap: float, half_life_days: float) -> None:
        check_positive("cap", cap)
        check_positive("half_life_days", half_life_days)
        self.cap = cap
        self.half_life_days = half_life_days

    def empty(self) -> Decayed:
        """The whole cap is left."""
        return Decayed()

    def update(self, state: Decayed, event: Event) -> None:
        """Use up what the event may add."""
        time_ms = event.time_ms if state.last_ms is None else max(event.time_ms, state.last_ms)
        state.add(min(event.weight, self.read(state, time_ms)[0]), time_ms, self.half_life_days)

    def read(self, state: Decayed, time_ms: int) -> tuple[float, ...]:
        """What an event at this time may add."""
        return (max(self.cap - state.at(time_ms, self.half_life_days), 0.0),)

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        used_M = history.decayed(self._granted(history), spans, self.half_life_days)
        return np.maximum(self.cap - used_M, 0.0)[:, None]

    def granted(self, events: EventTable) -> NDArray[np.float64]:
        """What each event [N] may add to what its key holds by then: its weight, or what is left of the cap."""
        history = KeyedEvents(events)
        granted_N = np.empty(len(history))
        granted_N[history.order_N] = self._granted(history)
        return granted_N

    def _granted(self, history: KeyedEvents) -> NDArray[np.float64]:
        """All first events of the keys at once, then all second ones, and so on."""
        starts = np.flatnonzero(history.is_first_N)
        lengths = np.diff(np.append(starts, len(history)))
        by_length = np.argsort(-lengths, kind="stable")
        starts, lengths = starts[by_length], lengths[by_length]
        held = np.zeros(len(starts))
        granted_N = np.empty(len(history))
        for number in range(history.longest):
            # Keys stand by falling length: those that have an event of this number come first.
            at = starts[: np.searchsorted(-lengths, -number)] + number
            if number:
                gaps = history.times_ms_N[at] - history.times_ms_N[at - 1]
                held = held[: len(at)] * np.exp2(-gaps / (DAY_MS * self.half_life_days))
            granted = np.minimum(history.weights_N[at], np.maximum(self.cap - held, 0.0))
            held = held + granted
            granted_N[at] = granted
        return granted_N
