"""A table of events sorted by key and time, and what of it lies before a time: the ground of every as-of form.

Legend of shapes: N events, M reads (a key and a time each).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates.event import EventTable
from aisle.schema import DAY_MS


@dataclass(frozen=True)
class Spans:
    """For each read, where its key's events before its time stand in the sorted history.

    Attributes:
        codes_M: The number of the key in the history; 0 where it has no event at all.
        starts_M: The first event of the key.
        ends_M: Behind the last event before the time; equal to the start where there is none.
        times_ms_M: The time of the read.
    """

    codes_M: NDArray[np.int64]
    starts_M: NDArray[np.int64]
    ends_M: NDArray[np.int64]
    times_ms_M: NDArray[np.int64]

    @cached_property
    def filled_M(self) -> NDArray[np.bool_]:
        """Whether a read has any event."""
        return self.ends_M > self.starts_M

    @cached_property
    def lasts_M(self) -> NDArray[np.int64]:
        """The last event of each read; 0 where it has none."""
        return np.maximum(self.ends_M - 1, 0)

    @cached_property
    def days_M(self) -> NDArray[np.int64]:
        """The day of each read."""
        return self.times_ms_M // DAY_MS


class KeyedEvents:
    """Events sorted by key, then time; those of one time keep the order of the table."""

    def __init__(self, events: EventTable) -> None:
        order_N = np.lexsort((events.times_ms_N, events.keys_N))
        self.order_N = order_N
        self.keys_N = events.keys_N[order_N]
        self.times_ms_N = events.times_ms_N[order_N]
        self._events = events
        self.is_first_N = np.ones(len(order_N), np.bool_)
        self.is_first_N[1:] = self.keys_N[1:] != self.keys_N[:-1]
        self._bounds = np.append(np.flatnonzero(self.is_first_N), len(order_N))
        self._keys = self.keys_N[self._bounds[:-1]]
        # A key's number and a time's number make one sortable integer, however far apart the times are.
        moments = np.sort(self.times_ms_N)  # np.unique would hash, which takes several times as long
        self._moments = moments[np.append(True, moments[1:] != moments[:-1])[: len(moments)]]
        codes_N = np.cumsum(self.is_first_N) - 1
        self._places_N = codes_N * (len(self._moments) + 1) + np.searchsorted(self._moments, self.times_ms_N)

    def __len__(self) -> int:
        return len(self.order_N)

    @cached_property
    def weights_N(self) -> NDArray[np.float64]:
        """Weights in the sorted order."""
        return self._events.weights_N[self.order_N]

    @cached_property
    def quantities_N(self) -> NDArray[np.float64]:
        """Quantities in the sorted order; 1 where none was told."""
        quantities_N = self._events.quantities_N[self.order_N]
        quantities_N[np.isnan(quantities_N)] = 1.0
        return quantities_N

    @cached_property
    def prices_N(self) -> NDArray[np.float64]:
        """Prices in the sorted order."""
        return self._events.prices_N[self.order_N]

    @cached_property
    def baskets_N(self) -> NDArray[np.int64]:
        """Baskets in the sorted order."""
        return self._events.baskets_N[self.order_N]

    @cached_property
    def days_N(self) -> NDArray[np.int64]:
        """The day of each event in the sorted order."""
        return self.times_ms_N // DAY_MS

    @cached_property
    def longest(self) -> int:
        """The number of events of the key that has most."""
        return int(np.diff(self._bounds).max(initial=0))

    def spans(self, keys_M: NDArray[np.int64], times_ms_M: NDArray[np.int64]) -> Spans:
        """Where the events strictly before each time stand."""
        if not len(self):
            none = np.zeros(len(keys_M), np.int64)
            return Spans(none, none, none, times_ms_M)
        codes_M = np.minimum(np.searchsorted(self._keys, keys_M), len(self._keys) - 1)
        known_M = self._keys[codes_M] == keys_M
        ends_M = np.where(known_M, self.places(codes_M, times_ms_M), 0)
        starts_M = np.where(known_M, self._bounds[codes_M], 0)
        return Spans(np.where(known_M, codes_M, 0), starts_M, ends_M, times_ms_M)

    def places(self, codes_M: NDArray[np.int64], times_ms_M: NDArray[np.int64]) -> NDArray[np.int64]:
        """Behind each key's last event strictly before each time."""
        moments_M = np.searchsorted(self._moments, times_ms_M)
        places_M: NDArray[np.int64] = np.searchsorted(self._places_N, codes_M * (len(self._moments) + 1) + moments_M)
        return places_M

    def total(self, values_N: NDArray[np.float64], spans: Spans) -> NDArray[np.float64]:
        """The sum of a column over each span."""
        return between(values_N, spans.starts_M, spans.ends_M)

    def within(
        self, values_N: NDArray[np.float64], spans: Spans, first_days_M: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The sum of a column over the part of each span that starts with a day."""
        return between(values_N, self.from_day(spans, first_days_M), spans.ends_M)

    def from_day(self, spans: Spans, days_M: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the events of a day and after start in each span; its end where there are none."""
        if not len(self):
            return spans.starts_M
        return np.clip(self.places(spans.codes_M, days_M * DAY_MS), spans.starts_M, spans.ends_M)

    def decayed(self, values_N: NDArray[np.float64], spans: Spans, half_life_days: float) -> NDArray[np.float64]:
        """The sum of a column over each span, each value halved once per half-life since its event."""
        if not len(self):
            return np.zeros(len(spans.starts_M))
        running_N = self._running(values_N, half_life_days)
        ages_M = np.maximum(spans.times_ms_M - self.times_ms_N[spans.lasts_M], 0) / DAY_MS
        return np.where(spans.filled_M, running_N[spans.lasts_M] * np.exp2(-ages_M / half_life_days), 0.0)

    def _running(self, values_N: NDArray[np.float64], half_life_days: float) -> NDArray[np.float64]:
        """Each key's decayed sum just after each event: a scan in steps of doubling length.

        A cumulative sum of weights that grow with time would overflow within years of a short half-life.
        """
        sums_N = values_N.astype(np.float64)
        factors_N = np.zeros(len(self))
        factors_N[1:] = np.exp2(-np.maximum(np.diff(self.times_ms_N), 0) / (DAY_MS * half_life_days))
        factors_N[self.is_first_N] = 0.0
        step = 1
        while step < self.longest:
            sums_N[step:] += factors_N[step:] * sums_N[:-step]
            factors_N[step:] = factors_N[step:] * factors_N[:-step]
            step *= 2
        return sums_N


def between(
    values_N: NDArray[np.float64], starts_M: NDArray[np.int64], ends_M: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sums of consecutive values."""
    sums = np.zeros(len(values_N) + 1)
    np.cumsum(values_N, out=sums[1:])
    total: NDArray[np.float64] = sums[ends_M] - sums[starts_M]
    return total
