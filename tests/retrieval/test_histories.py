"""Histories of visitors, by hand; they are what a request's profile says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.data.item_lists import ItemLists
from aisle.evaluate.windows import visitor_queries
from aisle.retrieval.histories import pieces, visitor_histories
from tests.histories import SIGNALS, Line, snapshot_of

A, B, C = 2, 3, 4
LINES = [
    Line(3, "u1", "b"),
    Line(1, "u1", "a", "view"),
    Line(2, "u1", "a"),
    Line(2, "u1", "a"),  # the same line of one order again
    Line(4, "u1", "c", "impression"),
    Line(5, "u1", "a"),
    Line(6, None, "b", session="s"),
    Line(7, None, "a", session="s"),
    Line(8, None, "c"),  # nobody
]


def test_histories_by_hand() -> None:
    snapshot = snapshot_of(LINES, day=10, item_order="abc")
    histories = visitor_histories(snapshot, SIGNALS)
    assert sorted(one.tolist() for one in histories.items) == [[A, B, A], [B, A]]
    by_list = {tuple(one.tolist()): at for at, one in enumerate(histories.items)}
    start, end = histories.items.starts_R1[by_list[A, B, A] :][:2]
    assert histories.ages_days_E[start:end] == pytest.approx([9, 7, 5]), "of items in a row the first one counts"
    assert histories.taken_E.tolist() == [True] * 5, "one of those in a row was bought"
    viewed = [Line(day, "u", item, "view") for day, item in enumerate("abba")] + [Line(2.5, "u", "b")]
    assert visitor_histories(snapshot_of(viewed, day=10), SIGNALS).taken_E.tolist() == [False, True, False]


def test_rare_items_are_left_out_before_rows_of_one_item_are_made_one() -> None:
    lines = [Line(day, "u", item) for day, item in enumerate("aabaca")]
    histories = visitor_histories(snapshot_of(lines, day=10, item_order="abc"), SIGNALS, min_events=2)
    assert [one.tolist() for one in histories.items] == [[A]]


def test_a_shop_without_events_that_say_something_has_none() -> None:
    lists = visitor_histories(snapshot_of([Line(1, "u", "a", "impression")], day=2), SIGNALS).items
    assert len(lists) == 0


def test_they_agree_with_the_profiles_of_requests() -> None:
    draw = np.random.default_rng(0)
    lines = [
        Line(
            float(draw.integers(0, 20)), f"u{draw.integers(3)}", "abcd"[draw.integers(4)], "view" if old else "purchase"
        )
        for old in draw.random(200) < 0.5
    ]
    snapshot = snapshot_of(lines, day=30)
    queries = visitor_queries(snapshot, [2, 3, 4], signals=SIGNALS, history_limit=1000)
    of_requests = []
    for query in queries.values():
        first_N = np.flatnonzero(np.diff(query.rows_n, prepend=-1))
        of_requests.append((query.rows_n[first_N].tolist(), np.logical_or.reduceat(query.taken_n, first_N).tolist()))
    histories = visitor_histories(snapshot, SIGNALS)
    taken = [one.astype(bool).tolist() for one in replace(histories.items, items_E=histories.taken_E.astype(np.int32))]
    assert sorted(of_requests) == sorted(zip((one.tolist() for one in histories.items), taken, strict=True))


def test_pieces_by_hand() -> None:
    lists = ItemLists.of([[1, 2, 3, 4, 5, 6], [7], [8, 9, 10], []])
    cut = [one.tolist() for one in pieces(lists, 2)]
    assert cut == [[1, 2], [2, 3, 4], [4, 5, 6], [7], [8, 9, 10]]
    with pytest.raises(ValueError, match="length: expected 1 or more, received 0"):
        pieces(lists, 0)


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 5))
def test_each_step_of_a_history_is_in_one_piece(sizes: list[int], length: int) -> None:
    lists = ItemLists.of([[100 * number + at for at in range(size)] for number, size in enumerate(sizes)])
    cut = [one.tolist() for one in pieces(lists, length)]
    steps = [step for one in cut for step in pairwise(one)]
    assert sorted(steps) == [step for one in lists for step in pairwise(one.tolist())]
    assert all(len(one) <= length + 1 for one in cut)
