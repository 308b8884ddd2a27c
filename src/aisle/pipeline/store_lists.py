"""Popular items straight from the events: what answers until there is a bundle."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aisle.schema import DAY_MS
from aisle.store.contract import Store

#: `trending` counts the shorter window, everything else the longer one.
TRENDING_DAYS, POPULAR_DAYS = 7, 28
#: So many of the most popular are looked through for those that a request allows.
NUM_ITEMS = 5000
#: Counting that costs no more than this is done anew for each request; a list that cost more is kept this many times
#: as long. A small shop's is always fresh, one that takes a second to count at most 20 seconds old.
FRESH_SECONDS, KEPT_FACTOR = 0.05, 20


@dataclass(frozen=True)
class StoreList:
    """Items with their weighted counts, best first."""

    name: str
    days: int
    scores: dict[str, float]


class StoreLists:
    """Counts the events of the last days.

    Args:
        store: Where they are.
        clock: Seconds, for how long a list is kept.
        cost_clock: Seconds, for what counting costs: of this thread's own work, in which the store counts, so that a
            quick count is not taken for a slow one where the machine is busy with others.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.monotonic,
        cost_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._store = store
        self._clock = clock
        self._cost_clock = cost_clock
        self._kept: dict[str, tuple[float, StoreList]] = {}

    def list_for(self, placement: str, now_ms: int) -> StoreList:
        """The list that stands in for a placement."""
        name, days = ("trending", TRENDING_DAYS) if placement == "trending" else ("popular", POPULAR_DAYS)
        kept_until, kept = self._kept.get(name, (0.0, None))
        if kept is not None and self._clock() < kept_until:
            return kept
        started = self._cost_clock()
        counted = self._store.popular_items(since_ms=now_ms - days * DAY_MS, limit=NUM_ITEMS)
        result = StoreList(name, days, dict(counted))
        cost = self._cost_clock() - started
        self._kept[name] = (self._clock() + (KEPT_FACTOR * cost if cost > FRESH_SECONDS else 0.0), result)
        return result
