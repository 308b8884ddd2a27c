"""What aggregates read: one event, or a table of events with a key each.

Legend of shapes: N events of a table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: The one key of an aggregate over everything.
GLOBAL_KEY = 0
_MAX_PART = 2**31


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one key.

    Attributes:
        time_ms: When it counts as having happened: its stamp, or the clock at its arrival where the stamp was later.
        weight: How much it says (1: a purchase).
        quantity: Of the item; NaN: not told, counts as 1.
        price: Of one piece; NaN: not told.
        basket: A number of the order; negative: belongs to none.
    """

    time_ms: int
    weight: float = 1.0
    quantity: float = float("nan")
    price: float = float("nan")
    basket: int = -1


@dataclass(frozen=True)
class EventTable:
    """Many events, each of one key, in the order of their arrival.

    Attributes:
        keys_N: What each event is counted for; see :func:`pair_keys` for two ids at once.
        times_ms_N: As :attr:`Event.time_ms`; the other columns as in :class:`Event` too.
    """

    keys_N: NDArray[np.int64]
    times_ms_N: NDArray[np.int64]
    weights_N: NDArray[np.float64]
    quantities_N: NDArray[np.float64]
    prices_N: NDArray[np.float64]
    baskets_N: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        keys: ArrayLike,
        times_ms: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        quantities: ArrayLike | None = None,
        prices: ArrayLike | None = None,
        baskets: ArrayLike | None = None,
    ) -> EventTable:
        """A table of these columns; a column that is left out has the value of an :class:`Event` that tells nothing.

        Raises:
            ValueError: the columns are not equally long.
        """
        keys_N = np.asarray(keys, np.int64)
        num_events = len(keys_N)
        columns = (
            np.asarray(times_ms, np.int64),
            np.ones(num_events) if weights is None else np.asarray(weights, np.float64),
            np.full(num_events, np.nan) if quantities is None else np.asarray(quantities, np.float64),
            np.full(num_events, np.nan) if prices is None else np.asarray(prices, np.float64),
            np.full(num_events, -1, np.int64) if baskets is None else np.asarray(baskets, np.int64),
        )
        lengths = {len(column) for column in columns}
        if lengths - {num_events}:
            raise ValueError(f"expected columns of {num_events} events, one per key, received lengths {lengths}")
        return cls(keys_N, *columns)

    def with_keys(self, keys: ArrayLike) -> EventTable:
        """The same events counted for other keys."""
        return replace(self, keys_N=np.asarray(keys, np.int64))

    def with_weights(self, weights: ArrayLike) -> EventTable:
        """The same events with other weights."""
        return replace(self, weights_N=np.asarray(weights, np.float64))

    def event(self, number: int) -> Event:
        """One row of the table."""
        return Event(
            int(self.times_ms_N[number]),
            float(self.weights_N[number]),
            float(self.quantities_N[number]),
            float(self.prices_N[number]),
            int(self.baskets_N[number]),
        )


def pair_keys(first: ArrayLike, second: ArrayLike) -> NDArray[np.int64]:
    """One key for two ids: user and item, user and category, user and brand.

    Raises:
        ValueError: an id is negative or above 2^31 - 1, so that two pairs might share a key.
    """
    first_N, second_N = np.asarray(first, np.int64), np.asarray(second, np.int64)
    for part in (first_N, second_N):
        if part.size and (part.min() < 0 or part.max() >= _MAX_PART):
            raise ValueError(f"expected ids from 0 to 2^31 - 1, received {part.min()} to {part.max()}")
    pairs: NDArray[np.int64] = (first_N << 31) | second_N
    return pairs
