"""Popular items from the store: fresh where counting is quick, kept for a while where it is not."""

from __future__ import annotations

from typing import Any

from aisle.pipeline.store_lists import KEPT_FACTOR, POPULAR_DAYS, TRENDING_DAYS, StoreLists
from aisle.schema import DAY_MS

NOW = 100 * DAY_MS


class CountingStore:
    """Gives one more at each count, which takes ``seconds`` and waits ``waits`` for the machine before."""

    def __init__(self, seconds: float, waits: float = 0.0) -> None:
        self.seconds, self.waits = seconds, waits
        self.now = self.worked = 0.0
        self.asked: list[int] = []

    def popular_items(self, *, since_ms: int, limit: int) -> list[tuple[str, float]]:
        self.now += self.waits + self.seconds
        self.worked += self.seconds
        self.asked.append(since_ms)
        return [("a", float(len(self.asked)))][:limit]


def lists_of(store: Any) -> StoreLists:
    return StoreLists(store, clock=lambda: store.now, cost_clock=lambda: store.worked)


def test_a_quick_count_is_always_fresh() -> None:
    store = CountingStore(seconds=0.01)
    lists = lists_of(store)
    assert [lists.list_for("popular", NOW).scores["a"] for _ in range(3)] == [1, 2, 3]
    assert store.asked == [NOW - POPULAR_DAYS * DAY_MS] * 3


def test_a_quick_count_on_a_busy_machine_is_fresh_too() -> None:
    lists = lists_of(CountingStore(seconds=0.01, waits=3.0))
    assert [lists.list_for("popular", NOW).scores["a"] for _ in range(3)] == [1, 2, 3]


def test_a_slow_count_is_kept_in_proportion() -> None:
    store = CountingStore(seconds=1.0)
    lists = lists_of(store)
    assert lists.list_for("for-you", NOW).scores == {"a": 1}
    store.now = 1 + KEPT_FACTOR - 0.1
    assert lists.list_for("popular", NOW).scores == {"a": 1}
    store.now = 1 + KEPT_FACTOR + 0.1
    assert lists.list_for("popular", NOW).scores == {"a": 2}


def test_trending_has_a_window_of_its_own() -> None:
    store = CountingStore(seconds=1.0)
    lists = lists_of(store)
    assert (lists.list_for("trending", NOW).days, lists.list_for("popular", NOW).days) == (TRENDING_DAYS, POPULAR_DAYS)
    assert store.asked == [NOW - TRENDING_DAYS * DAY_MS, NOW - POPULAR_DAYS * DAY_MS]
