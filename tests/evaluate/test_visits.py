"""Visits with their last item hidden, by hand."""

from __future__ import annotations

import numpy as np

from aisle.evaluate.visits import hide_last_of_each
from aisle.evaluate.windows import build_window
from tests.histories import SIGNALS, Line, at, log_of

MINUTE = 1 / 24 / 60
A, B, C, D = 2, 3, 4, 5
LINES = [
    *(Line(1, "ann", item) for item in "abcd"),
    Line(2, "bob", "x", "view"),
    *(Line(11 + place * 15 * MINUTE, "ann", item, kind) for place, (item, kind) in enumerate(
        [("a", "view"), ("b", "view"), ("d", "impression"), ("c", "purchase"), ("a", "view")]
    )),
    Line(12, "ann", "d"),
    Line(12 + 31 * MINUTE, "ann", "a"),
    *(Line(13, None, item, session="s") for item in "cdc"),
    *(Line(14, "bob", item) for item in ("a", "x", "b")),  # x is no candidate: nobody took it
    *(Line(15, "new", item) for item in "ab"),  # neither a known user nor a session
    *(Line(25, "ann", item) for item in "ab"),  # after the window
]  # fmt: skip


def test_visits_by_hand() -> None:
    log = log_of(LINES)
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    visits = hide_last_of_each(log, window, SIGNALS)
    found = {tuple(one.query.rows_n.tolist()): one for one in visits}
    assert {rows: one.hidden for rows, one in found.items()} == {(A, B): C, (C,): D, (A,): B}
    query = found[A, B].query
    assert query.times_ms_n.tolist() == [at(11), at(11 + 15 * MINUTE)]
    assert (query.now_ms, query.num_rows) == (at(11 + 15 * MINUTE), window.snapshot.num_items)
    assert {rows: one.query.user_id for rows, one in found.items()} == {(A, B): "ann", (C,): None, (A,): "bob"}
    assert query.strengths_n.tolist() == [np.float32(0.2)] * 2
    assert not query.taken_n.any()
    eligible_V = found[A, B].eligible_V(window.candidates_V)
    assert np.flatnonzero(eligible_V).tolist() == [C, D]


def test_at_most_so_many_spread_over_all() -> None:
    lines = [
        *(Line(1, "ann", item) for item in "abcd"),
        *(Line(11 + number / 4, "ann", item) for number in range(20) for item in "abcd"[: 2 + number % 3]),
    ]
    log = log_of(lines)
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    every = hide_last_of_each(log, window, SIGNALS)
    some = hide_last_of_each(log, window, SIGNALS, most=5)
    assert len(every) == 20
    times = [one.query.now_ms for one in every]
    assert [times.index(one.query.now_ms) for one in some] == [0, 4, 9, 14, 19]
