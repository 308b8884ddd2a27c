"""Every kind of aggregate: its entry in the contract suite, and answers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aisle.features.aggregates import (
    GLOBAL_KEY,
    NEVER_DAYS,
    Aggregate,
    Allowance,
    DecayedCount,
    Event,
    EventTable,
    Frequency,
    Interval,
    LastSeason,
    LogMean,
    Recency,
    Sums,
    WindowedCounts,
    pair_keys,
)
from tests.contracts.aggregates import AggregateContract, at

#: One key's events: days, with what was taken on each.
DAYS = (0.0, 0.25, 10.0, 30.5)
TABLE = EventTable.of(
    [GLOBAL_KEY] * 4,
    [at(day) for day in DAYS],
    quantities=[1, 3, math.nan, 12],
    prices=[1.0, 4.0, math.nan, 2.0],
    baskets=[7, 7, 8, -1],
)


def read(aggregate: Aggregate, day: float) -> list[float]:
    return aggregate.as_of(TABLE, [GLOBAL_KEY], [at(day)])[0].tolist()


class TestDecayedCount(AggregateContract):
    late_days = 900.0
    max_words = 2

    def build(self) -> DecayedCount:
        return DecayedCount(7.0)


class TestWindowedCounts(AggregateContract):
    late_days = 900.0
    max_words = 57

    def build(self) -> WindowedCounts:
        return WindowedCounts(1, 7, 28)


class TestLastSeason(AggregateContract):
    late_days = 900.0
    max_words = 733

    def build(self) -> LastSeason:
        return LastSeason(28)


class TestRecency(AggregateContract):
    late_days = 900.0
    max_words = 2

    def build(self) -> Recency:
        return Recency()


class TestFrequency(AggregateContract):
    max_words = 69

    def build(self) -> Frequency:
        return Frequency()


class TestInterval(AggregateContract):
    max_words = 5

    def build(self) -> Interval:
        return Interval()


class TestSums(AggregateContract):
    late_days = 900.0
    max_words = 3

    def build(self) -> Sums:
        return Sums()


class TestLogMeanOfPrices(AggregateContract):
    late_days = 900.0
    max_words = 4

    def build(self) -> LogMean:
        return LogMean("price", 90.0)


class TestLogMeanOfQuantities(AggregateContract):
    late_days = 900.0
    max_words = 4

    def build(self) -> LogMean:
        return LogMean("quantity", 30.0)


class TestAllowance(AggregateContract):
    late_days = 0.0
    max_words = 2

    def build(self) -> Allowance:
        return Allowance(1.5, 7.0)


def test_decayed_count() -> None:
    halves = 2**-1.0 + 2 ** (-9.75 / 10) + 1
    assert read(DecayedCount(10), 10) == pytest.approx([2**-1.0 + 2 ** (-9.75 / 10)]), "strictly before"
    assert read(DecayedCount(10), 20) == pytest.approx([halves / 2])


def test_windowed_counts_are_of_whole_days() -> None:
    counts = WindowedCounts(1, 10, 11)
    assert counts.names == ("count_1d", "count_10d", "count_11d")
    assert read(counts, 0.9) == [2, 2, 2]
    assert read(counts, 10) == [0, 0, 2]
    assert read(counts, 10.5) == [1, 1, 3]
    assert read(counts, 19.9) == [0, 1, 1]
    assert read(counts, 20) == [0, 0, 1]


def test_last_season() -> None:
    assert read(LastSeason(10), 364) == [2], "days -1 to 8"
    assert read(LastSeason(10), 365) == [2], "days 0 to 9"
    assert read(LastSeason(11), 365) == [3], "days 0 to 10"
    assert read(LastSeason(10), 366) == [1]
    assert read(LastSeason(365), 366) == [2]
    assert read(LastSeason(365), 1000) == [0]


def test_recency() -> None:
    assert read(Recency(), 0) == [NEVER_DAYS, NEVER_DAYS]
    assert read(Recency(), 10) == [9.75, 10]
    assert read(Recency(), 9000) == [NEVER_DAYS, NEVER_DAYS]


def test_frequency() -> None:
    assert read(Frequency(), 1) == [1, 1]
    assert read(Frequency(), 40) == [3, 2]


def test_a_day_or_a_basket_that_comes_again_late() -> None:
    frequency = Frequency()
    state = frequency.empty()
    for day in (100, 90, 100, 163, 100, 101, 300, 101, 50):
        frequency.update(state, Event(at(day), basket=day))
    # 101 comes again when day 300 has made it too old to be told from others; 50 is before the first.
    assert frequency.read(state, at(400)) == (6, 6)
    for number in range(64):
        frequency.update(state, Event(at(300), basket=1000 + number))
    frequency.update(state, Event(at(300), basket=100))
    assert frequency.read(state, at(400)) == (6, 71), "after 64 others it is forgotten"


def test_interval() -> None:
    assert read(Interval(), 5) == [0, 0, 0]
    assert read(Interval(), 20) == [10, 1, 1]
    assert read(Interval(), 38) == pytest.approx([15, 2, 0.5])


def test_sums() -> None:
    assert read(Sums(), 10) == [2, 4, 13]
    assert read(Sums(), 40) == [4, 17, 37]


def test_log_means() -> None:
    assert read(LogMean("price", 1e9), 40) == pytest.approx([math.log(8) / 3, 3])
    assert read(LogMean("quantity", 1e9), 40) == pytest.approx([math.log(36) / 4, 4])
    price = LogMean("price", 0.25)
    assert read(price, 0.5) == pytest.approx([math.log(4) * 2 / 3, 0.75])
    assert read(price, 30) == [0, pytest.approx(0)], "what is left of them is nothing"


def test_an_allowance_of_one_counts_each_visitor_once() -> None:
    visitors = np.array([1, 1, 2, 1, 1])
    times = [at(day) for day in (0, 1, 1, 2, 9)]
    allowance = Allowance(1.0, 7.0)
    granted = allowance.granted(EventTable.of(visitors, times))
    used = 1 - 2 ** (-1 / 7)
    assert granted == pytest.approx([1, used, 1, used, 1 - 2.0**-1])
    popularity = DecayedCount(7).as_of(EventTable.of([5] * 5, times, weights=granted), [5], [at(16)])
    assert popularity[0, 0] == pytest.approx(2.0**-1 + 2 ** (-15 / 7)), "each visitor, faded since the last time"


def test_an_allowance_holds_a_bot_down() -> None:
    allowance = Allowance(3.0, 28.0)
    times = [at(number / 1000) for number in range(5000)]
    granted = allowance.granted(EventTable.of([1] * 5000, times))
    held = DecayedCount(28).as_of(EventTable.of([1] * 5000, times, weights=granted), [1], [at(5)])
    assert granted[:4] == pytest.approx([1, 1, 1, 0], abs=1e-3)
    assert held[0, 0] <= 3.0
    half = allowance.granted(EventTable.of([1] * 7, times[:7], weights=[0.5] * 7))
    assert half == pytest.approx([0.5] * 6 + [0], abs=1e-3)


def test_pairs_have_one_key_each() -> None:
    first, second = np.meshgrid([0, 1, 7, 2**31 - 1], [0, 1, 7, 2**31 - 1])
    assert len(np.unique(pair_keys(first, second))) == 16
    assert pair_keys([2**31 - 1], [2**31 - 1])[0] == 2**62 - 1
    for bad in (-1, 2**31):
        with pytest.raises(ValueError, match=rf"expected ids from 0 to 2\^31 - 1, received {bad} to {bad}"):
            pair_keys([1], [bad])


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="half_life_days: expected a finite number above 0, received 0"):
        DecayedCount(0)
    with pytest.raises(ValueError, match="half_life_days"):
        LogMean("price", math.inf)
    with pytest.raises(ValueError, match="cap: expected a finite number above 0, received -1"):
        Allowance(-1, 1)
    with pytest.raises(ValueError, match=r"lengths of at least 1 day, received \(7, 0\)"):
        WindowedCounts(7, 0)
    with pytest.raises(ValueError, match="ahead_days: expected 1 to 365, received 366"):
        LastSeason(366)
    with pytest.raises(ValueError, match="expected columns of 2 events"):
        EventTable.of([1, 2], [at(1)])
