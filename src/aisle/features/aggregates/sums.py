"""Sums: how many events, how many pieces, how much was spent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import Aggregate
from aisle.features.aggregates.event import Event
from aisle.features.aggregates.history import KeyedEvents, Spans


@dataclass(slots=True)
class Totals:
    """Three running sums."""

    count: float = 0.0
    quantity: float = 0.0
    spend: float = 0.0


class Sums(Aggregate[Totals]):
    """The sums of weights, of quantities, and of quantity times price where a price was told.

    Events may arrive in any order.
    """

    names = ("count", "quantity", "spend")

    def empty(self) -> Totals:
        """Zeros."""
        return Totals()

    def update(self, state: Totals, event: Event) -> None:
        """Add the event."""
        quantity = 1.0 if math.isnan(event.quantity) else event.quantity
        state.count += event.weight
        state.quantity += quantity
        state.spend += 0.0 if math.isnan(event.price) else quantity * event.price

    def read(self, state: Totals, time_ms: int) -> tuple[float, ...]:
        """The three sums."""
        return state.count, state.quantity, state.spend

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        spend_N = history.quantities_N * np.nan_to_num(history.prices_N)
        columns = (history.weights_N, history.quantities_N, spend_N)
        return np.stack([history.total(column, spans) for column in columns], axis=1)
