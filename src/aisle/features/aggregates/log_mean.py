"""Habit: the decayed mean of the logarithm of a price or a quantity, which a few great values do not move much."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.contract import Aggregate, check_positive
from aisle.features.aggregates.decayed_count import Decayed
from aisle.features.aggregates.event import Event
from aisle.features.aggregates.history import KeyedEvents, Spans

_LEAST_WEIGHT = 2.0**-60  # where less than this is left, the mean of what is left is rounding


@dataclass(slots=True)
class DecayedMean:
    """The decayed sum of logarithms, and the decayed number of them."""

    total: Decayed = field(default_factory=Decayed)
    weight: Decayed = field(default_factory=Decayed)


class LogMean(Aggregate[DecayedMean]):
    """The mean logarithm of what was paid (or taken at once), and how many events it rests on, both decayed.

    The mean is 0 where there is nothing to go by; values that are missing or not above 0 are left out (a quantity that
    was not told is 1). Events may arrive in any order.

    Args:
        of: Which column.
        half_life_days: Above 0.
    """

    def __init__(self, of: Literal["price", "quantity"], half_life_days: float) -> None:
        check_positive("half_life_days", half_life_days)
        self.of = of
        self.half_life_days = half_life_days
        self.names = (f"mean_log_{of}", f"num_{of}")

    def empty(self) -> DecayedMean:
        """Nothing to go by."""
        return DecayedMean()

    def update(self, state: DecayedMean, event: Event) -> None:
        """Add the event's value, if it has one."""
        value = event.price if self.of == "price" else event.quantity
        if self.of == "quantity" and math.isnan(value):
            value = 1.0
        is_told = math.isfinite(value) and value > 0
        # Adding nothing moves the time on, so that a read never goes back before any event.
        state.total.add(math.log(value) if is_told else 0.0, event.time_ms, self.half_life_days)
        state.weight.add(float(is_told), event.time_ms, self.half_life_days)

    def read(self, state: DecayedMean, time_ms: int) -> tuple[float, ...]:
        """The mean and the number."""
        weight = state.weight.at(time_ms, self.half_life_days)
        total = state.total.at(time_ms, self.half_life_days)
        return (total / weight if weight > _LEAST_WEIGHT else 0.0), weight

    def gather(self, history: KeyedEvents, spans: Spans) -> NDArray[np.float64]:
        """The same over a history."""
        values_N = history.prices_N if self.of == "price" else history.quantities_N
        with np.errstate(invalid="ignore"):
            told_N = np.isfinite(values_N) & (values_N > 0)
        logs_N = np.log(np.where(told_N, values_N, 1.0))
        weight_M = history.decayed(told_N.astype(np.float64), spans, self.half_life_days)
        total_M = history.decayed(logs_N, spans, self.half_life_days)
        mean_M = np.divide(total_M, weight_M, out=np.zeros_like(total_M), where=weight_M > _LEAST_WEIGHT)
        return np.stack([mean_M, weight_M], axis=1)
