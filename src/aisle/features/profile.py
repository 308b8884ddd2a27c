"""What a visitor did, as featurizing reads it: columns of a profile, and the same as events before now.

Legend of shapes: n profile entries, K keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates import EventTable, KeyedEvents, Spans


class Profile(Protocol):
    """What a visitor did, oldest first; everything in it is known, so a stamp from now on counts as just before now."""

    @property
    def now_ms(self) -> int:
        """The time of asking."""
        ...

    @property
    def rows_n(self) -> NDArray[np.int32]:
        """Item rows."""
        ...

    @property
    def times_ms_n(self) -> NDArray[np.int64]:
        """When each happened."""
        ...

    @property
    def strengths_n(self) -> NDArray[np.float32]:
        """How much each says (1: a purchase)."""
        ...

    @property
    def taken_n(self) -> NDArray[np.bool_]:
        """Whether each was the event that the shop wants."""
        ...

    @property
    def quantities_n(self) -> NDArray[np.float64]:
        """Pieces; NaN: not told."""
        ...

    @property
    def prices_n(self) -> NDArray[np.float64]:
        """Of one piece; NaN: not told, then the item's price is taken."""
        ...


@dataclass(frozen=True)
class Asked:
    """A profile made ready: its purchases and everything in it, as events keyed by item."""

    now_ms: int
    taken: EventTable
    everything: EventTable

    def read(self, events: EventTable, keys_K: NDArray[np.int64]) -> tuple[KeyedEvents, Spans]:
        """The events of each key, all of them before now."""
        history = KeyedEvents(events)
        return history, history.spans(keys_K, np.full(len(keys_K), self.now_ms))


def ask(profile: Profile, log_price_n: NDArray[np.float64]) -> Asked:
    """Make a profile ready; ``log_price_n`` stands in where a purchase tells no price (NaN: not known either)."""
    rows_n = profile.rows_n.astype(np.int64)
    times_n = np.minimum(profile.times_ms_n, profile.now_ms - 1)
    taken_n = profile.taken_n
    prices_n = np.where(np.isnan(profile.prices_n), np.exp(log_price_n), profile.prices_n)
    taken = EventTable.of(
        rows_n[taken_n], times_n[taken_n], quantities=profile.quantities_n[taken_n], prices=prices_n[taken_n]
    )
    return Asked(profile.now_ms, taken, EventTable.of(rows_n, times_n, weights=profile.strengths_n))


@dataclass(frozen=True)
class Nobody:
    """The profile of a visitor who did nothing."""

    now_ms = 0
    rows_n = np.zeros(0, np.int32)
    times_ms_n = np.zeros(0, np.int64)
    strengths_n = np.zeros(0, np.float32)
    taken_n = np.zeros(0, np.bool_)
    quantities_n = np.zeros(0)
    prices_n = np.zeros(0)
