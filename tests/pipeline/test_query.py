"""A query's profile, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.pipeline import Query
from aisle.schema import DAY_MS
from tests.contracts.generators import query_of

NOW_MS = 100 * DAY_MS


def test_the_profile_keeps_the_greatest_decayed_strength_of_each_item() -> None:
    days_ago = np.array([20, 10, 10, 0])
    query = Query(
        NOW_MS,
        8,
        np.array([5, 3, 5, 3], np.int32),
        NOW_MS - days_ago * DAY_MS,
        np.array([1.0, 1.0, 0.2, 0.2], np.float32),
        np.array([True, True, False, False]),
        np.full(4, np.nan),
        np.full(4, np.nan),
    )
    rows, weights = query.profile(10, 10)
    # Row 3: a purchase one half-life ago (.5) against a view now (.2); row 5: 1/4 against .2 / 2.
    assert rows.tolist() == [3, 5]
    assert weights == pytest.approx([0.5, 0.25])
    assert weights.dtype == np.float32
    assert query.profile(None, 10)[1].tolist() == [1, 1]
    assert query.profile(10, 1)[0].tolist() == [3], "the strongest is kept"


def test_the_latest_visit_begins_behind_a_pause() -> None:
    minutes_ago = [100, 70, 39, 9, 0]  # pauses of 30, 31, 30 and 9 minutes
    query = query_of(*((row, minutes / 24 / 60) for row, minutes in zip([2, 3, 4, 5, 4], minutes_ago, strict=True)))
    visit = replace(query, user_id="ann").latest_visit()
    assert visit.rows_n.tolist() == [4, 5, 4]
    assert visit.ages_days_n * 24 * 60 == pytest.approx([39, 9, 0], abs=1e-3)
    assert (visit.now_ms, visit.num_rows, visit.user_id) == (query.now_ms, query.num_rows, "ann")
    long_ago = query_of((2, 300), (3, 200)).latest_visit()
    assert long_ago.rows_n.tolist() == [3], "however long ago it was"
    assert len(query_of().latest_visit().rows_n) == 0


def test_an_empty_profile() -> None:
    rows, weights = query_of().profile(30, 5)
    assert (len(rows), len(weights)) == (0, 0)


def test_ages_are_never_negative() -> None:
    assert query_of((2, -3), (2, 0.5)).ages_days_n.tolist() == [0.5, 0]


def test_the_query_of_a_page() -> None:
    query = Query.of_items(np.array([4, 2]), now_ms=NOW_MS, num_rows=9)
    rows, weights = query.profile(1, 10)
    assert rows.tolist() == [2, 4]
    assert weights.tolist() == [1, 1]
    assert query.ages_days_n.tolist() == [0, 0]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(2, 9), st.floats(0, 500)), max_size=20), st.integers(1, 12))
def test_the_profile_is_that_of_a_plain_loop(entries: list[tuple[int, float]], most: int) -> None:
    query = query_of(*entries)
    expected: dict[int, float] = {}
    for row, age in zip(query.rows_n.tolist(), query.ages_days_n.tolist(), strict=True):
        expected[row] = max(expected.get(row, 0), 2 ** (-age / 30))
    rows, weights = query.profile(30, most)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(rows) == min(most, len(expected))
    assert weights == pytest.approx([expected[row] for row in rows.tolist()], rel=1e-6, abs=1e-30)
    left_out = [value for row, value in expected.items() if row not in rows]
    assert not left_out or max(left_out) <= min(weights) * (1 + 1e-6)
