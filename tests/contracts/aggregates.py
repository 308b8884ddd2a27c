"""The contract of every aggregate: streamed and read is as of the table; a kind enters with a subclass that builds one.

Shapes: N events, M reads.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.features.aggregates import NEVER_DAYS, Aggregate, Event, EventTable
from aisle.schema import DAY_MS

#: Day 0 of the drawn histories.
START_MS = 15_000 * DAY_MS
NUM_KEYS = 3
NO_KEY = 99
NAN = float("nan")


def at(day: float) -> int:
    return START_MS + round(day * DAY_MS)


@st.composite
def event_tables(draw: st.DrawFn) -> tuple[EventTable, list[float]]:
    """Up to 40 events of three keys on few times, so that many are tied; and how late each arrives, as a share."""
    times = st.one_of(
        st.integers(0, 30).map(lambda hours: START_MS + hours * DAY_MS // 3),
        st.integers(0, 800 * DAY_MS).map(lambda ms: START_MS + ms),
    )
    row = st.tuples(
        st.integers(0, NUM_KEYS - 1),
        times,
        st.sampled_from([1.0, 1.0, 0.2]),
        st.sampled_from([NAN, 1.0, 3.0, 144.0]),
        st.sampled_from([NAN, 0.0, 1.5, 20.0]),
        st.integers(-1, 4),
        st.floats(0, 1),
    )
    rows = sorted(draw(st.lists(row, max_size=40)), key=lambda one: one[1])
    keys, times_ms, weights, quantities, prices, baskets, late = zip(*rows, strict=True) if rows else ((),) * 7
    table = EventTable.of(keys, times_ms, weights=weights, quantities=quantities, prices=prices, baskets=baskets)
    return table, list(late)


def reorder(table: EventTable, order: np.ndarray) -> EventTable:
    return EventTable(*(getattr(table, field.name)[order] for field in dataclasses.fields(table)))


def reads_of(table: EventTable) -> tuple[np.ndarray, np.ndarray]:
    """Every key, and one that has no events, at, before and after the times of some events and of no event."""
    times = np.unique(np.concatenate([table.times_ms_N[::4], table.times_ms_N[::5] + 1, [at(-1), at(100), at(820)]]))
    keys = np.array([*range(NUM_KEYS), NO_KEY])
    return np.tile(keys, len(times)), np.repeat(times, len(keys))


def size_of(value: Any) -> int:
    """How many words a state takes."""
    if dataclasses.is_dataclass(value):
        return sum(size_of(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, dict):
        return sum(size_of(one) + size_of(other) for one, other in value.items())
    if isinstance(value, list | tuple):
        return sum(size_of(one) for one in value)
    assert value is None or isinstance(value, int | float), f"a state is made of numbers, not of {value!r}"
    return max(1, math.ceil(value.bit_length() / 64)) if isinstance(value, int) else 1


class AggregateContract:
    """Inherit, name it ``Test...``, and build one."""

    #: An event may arrive so many days after one of a later time.
    late_days = 60.0
    #: A state never takes more words.
    max_words = 80

    @abstractmethod
    def build(self) -> Aggregate[Any]: ...

    def stream(self, table: EventTable, key: int, before_ms: float = math.inf) -> tuple[Any, int | None]:
        """The state of one key, and the time of its last event."""
        aggregate, state, last_ms = self.build(), self.build().empty(), None
        for number in np.flatnonzero((table.keys_N == key) & (table.times_ms_N < before_ms)):
            event = table.event(int(number))
            aggregate.update(state, event)
            last_ms = event.time_ms if last_ms is None else max(last_ms, event.time_ms)
        return state, last_ms

    def test_streamed_and_read_is_as_of_the_table(self) -> None:
        @settings(max_examples=30, deadline=None)
        @given(drawn=event_tables())
        def check(drawn: tuple[EventTable, list[float]]) -> None:
            table, late = drawn
            arrival = np.argsort(table.times_ms_N + np.array(late) * self.late_days * DAY_MS, kind="stable")
            arrived = reorder(table, arrival)
            keys, times = reads_of(table)
            values = self.build().as_of(arrived, keys, times)
            assert values.shape == (len(keys), len(self.build().names))
            for key, time_ms, row in zip(keys.tolist(), times.tolist(), values.tolist(), strict=True):
                state, _ = self.stream(arrived, key, time_ms)
                assert row == pytest.approx(self.build().read(state, time_ms), rel=1e-6, abs=1e-6)

        check()

    def test_events_at_or_after_a_time_change_nothing_at_it(self) -> None:
        @settings(max_examples=15, deadline=None)
        @given(drawn=event_tables(), cut=st.floats(0, 1), seed=st.integers(0, 9))
        def check(drawn: tuple[EventTable, list[float]], cut: float, seed: int) -> None:
            table, _ = drawn
            num_before = int(cut * len(table.times_ms_N))
            time_ms = int(table.times_ms_N[num_before]) if num_before < len(table.times_ms_N) else at(900)
            before = reorder(table, np.flatnonzero(table.times_ms_N < time_ms))
            random = np.random.default_rng(seed)
            later = EventTable.of(
                random.integers(0, NUM_KEYS, 20),
                time_ms + random.integers(0, 5 * DAY_MS, 20) * (random.random(20) < 0.5),
                weights=random.random(20),
                quantities=random.integers(1, 9, 20),
                prices=random.random(20),
                baskets=random.integers(0, 9, 20),
            )
            columns = [field.name for field in dataclasses.fields(EventTable)]
            changed = EventTable(*(np.append(getattr(before, name), getattr(later, name)) for name in columns))
            if self.build().any_order:
                changed = reorder(changed, random.permutation(len(changed.keys_N)))
            keys = np.array([*range(NUM_KEYS), NO_KEY])
            times = np.full(len(keys), time_ms)
            ours, theirs = (self.build().as_of(one, keys, times) for one in (table, changed))
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)

        check()

    def test_what_is_stamped_after_the_time_of_reading_counts_as_of_now(self) -> None:
        @settings(max_examples=15, deadline=None)
        @given(drawn=event_tables(), days=st.floats(0, 900))
        def check(drawn: tuple[EventTable, list[float]], days: float) -> None:
            for key in range(NUM_KEYS):
                state, last_ms = self.stream(drawn[0], key)
                if last_ms is None:
                    continue
                early = self.build().read(state, min(at(days), last_ms))
                assert early == self.build().read(state, last_ms)
                assert all(math.isfinite(value) for value in early)
                if self.build().names != ("mean_log_price", "num_price"):  # a logarithm may well be negative
                    assert min(early) >= 0

        check()

    def test_nothing_reads_as_something_finite(self) -> None:
        aggregate = self.build()
        read = aggregate.read(aggregate.empty(), at(5))
        assert len(read) == len(aggregate.names) == len(set(aggregate.names))
        assert all(0 <= value <= NEVER_DAYS for value in read)
        empty = EventTable.of([], [])
        assert aggregate.as_of(empty, [1, 2], [at(5), at(6)]).tolist() == [list(read), list(read)]
        one = EventTable.of([1], [at(1)])
        assert aggregate.as_of(one, [0, 1, 2], [at(5), at(1), at(5)]).tolist() == [list(read)] * 3
        assert aggregate.as_of(one, [], []).shape == (0, len(read))

    def test_a_state_stays_small_and_reading_leaves_it_alone(self) -> None:
        aggregate = self.build()
        state = aggregate.empty()
        random = np.random.default_rng(0)
        largest = 0
        for number in range(4000):
            event = Event(at(number / 3), 1.0, float(random.integers(1, 99)), random.random() * 50, number // 2)
            aggregate.update(state, event)
            largest = max(largest, size_of(state)) if number % 50 == 0 else largest
        assert largest <= self.max_words
        one, other = aggregate.read(state, at(1400)), aggregate.read(state, at(5000))
        assert aggregate.read(state, at(1400)) == one
        assert all(math.isfinite(value) for value in (*one, *other))

    def test_a_time_for_each_key(self) -> None:
        with pytest.raises(ValueError, match="expected a time for each key"):
            self.build().as_of(EventTable.of([1], [at(1)]), [1, 2], [at(1)])
