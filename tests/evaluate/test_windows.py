"""Windows counted by hand: who is asked, what is a candidate, what is a target."""

from __future__ import annotations

import pytest

from aisle.evaluate.windows import Window, build_window, cut_windows
from aisle.retrieval import Signals
from tests.histories import SIGNALS, Line, at, log_of

LINES = [
    Line(1, "ann", "tea"),
    Line(2, "ann", "cup"),
    Line(2, "bob", "tea"),
    Line(3, "bob", "pot", "view"),
    Line(3, None, "mug", session="s1"),
    Line(4, "cat", "tea", "view"),
    Line(5, "dan", "cup"),
    # The window: days 10 to 19.
    Line(10, "ann", "tea"),
    Line(11, "ann", "rug"),  # new to the shop
    Line(12, "ann", "cup"),
    Line(12, "bob", "cup"),
    Line(12, "bob", "pot", "view"),
    Line(13, "bob", "mug"),  # known, but no known user took it before
    Line(13, "cat", "tea"),  # took nothing before
    Line(14, None, "tea", session="s2"),
    Line(15, "eve", "tea"),  # not known before
    Line(19.99, "dan", "tea"),
    Line(20, "dan", "cup"),  # after the window
]
LOG = log_of(LINES)


def window_of(signals: Signals = SIGNALS, history_limit: int = 1000) -> Window:
    return build_window(LOG, LOG.before(at(10)), horizon_days=10, signals=signals, history_limit=history_limit)


def named(window: Window, rows: list[int]) -> list[str]:
    return [window.snapshot.item_ids[row] for row in rows]


def test_candidates_are_what_known_users_took_before() -> None:
    window = window_of()
    assert named(window, window.candidates_V.nonzero()[0].tolist()) == ["tea", "cup"]
    assert len(window.candidates_V) == window.snapshot.num_items == 6


def test_asked_are_those_who_took_before_and_take_a_candidate() -> None:
    window = window_of()
    users = {window.snapshot.user_ids[one.user]: one for one in window.asked("allow")}
    assert sorted(users) == ["ann", "bob", "dan"]
    targets = {name: named(window, one.targets.tolist()) for name, one in users.items()}
    assert targets == {"ann": ["tea", "cup"], "bob": ["cup"], "dan": ["tea"]}
    assert {name: named(window, one.owned.tolist()) for name, one in users.items()} == {
        "ann": ["tea", "cup"],
        "bob": ["tea"],
        "dan": ["cup"],
    }
    assert all(window.eligible_V(one, "allow") is window.candidates_V for one in users.values())


def test_without_repeats_owned_items_are_neither_candidates_nor_targets() -> None:
    window = window_of()
    users = {window.snapshot.user_ids[one.user]: one for one in window.asked("exclude")}
    assert sorted(users) == ["bob", "dan"], "ann takes nothing new"
    assert {name: named(window, one.targets.tolist()) for name, one in users.items()} == {
        "bob": ["cup"],
        "dan": ["tea"],
    }
    eligible = {name: window.eligible_V(one, "exclude").nonzero()[0].tolist() for name, one in users.items()}
    assert {name: named(window, rows) for name, rows in eligible.items()} == {"bob": ["cup"], "dan": ["tea"]}
    assert window.candidates_V.sum() == 2, "the mask of one question is no other's"


def test_profiles_hold_what_signals_say() -> None:
    window = window_of()
    bob = next(one for one in window.questions if window.snapshot.user_ids[one.user] == "bob")
    assert named(window, bob.query.rows_n.tolist()) == ["tea", "pot"]
    assert bob.query.taken_n.tolist() == [True, False]
    assert bob.query.strengths_n.tolist() == pytest.approx([1, 0.2])
    assert (bob.query.now_ms, bob.query.num_rows) == (at(10), 6)
    blind = window_of(Signals({"purchase": 1.0}, "purchase"))
    assert [len(one.query.rows_n) for one in blind.questions if one.user == bob.user] == [1]


def test_the_history_limit_counts_events_of_every_type() -> None:
    lines = [Line(1, "u", "tea"), Line(2, "u", "cup"), Line(3, "u", "pot", "rating"), Line(10, "u", "tea")]
    log = log_of(lines)
    window = build_window(log, log.before(at(10)), horizon_days=5, signals=SIGNALS, history_limit=2)
    assert named(window, window.questions[0].query.rows_n.tolist()) == ["cup"]
    assert named(window, window.questions[0].owned.tolist()) == ["tea", "cup"], "what is owned is never forgotten"


def test_identical_lines_of_one_time_are_one_entry() -> None:
    log = log_of([Line(1, "u", "tea"), Line(1, "u", "tea"), Line(1, "u", "tea", "view"), Line(9, "u", "tea")])
    window = build_window(log, log.before(at(5)), horizon_days=5, signals=SIGNALS, history_limit=9)
    assert window.questions[0].query.taken_n.tolist() == [True, False]


def test_windows_follow_each_other_back_from_the_last_midnight() -> None:
    log = log_of([Line(0, "u", "a"), Line(30.2, "u", "a")])
    assert cut_windows(log, horizon_days=7, count=3) == [at(24), at(17), at(10)]


def test_a_window_without_anybody_asks_nothing() -> None:
    log = log_of([Line(1, "u", "tea"), Line(9, "v", "tea")])
    window = build_window(log, log.before(at(5)), horizon_days=5, signals=SIGNALS, history_limit=9)
    assert window.asked("allow") == window.asked("exclude") == []
    nobody = build_window(log, log.before(at(0)), horizon_days=1, signals=SIGNALS, history_limit=9)
    assert (nobody.snapshot.num_items, nobody.candidates_V.sum()) == (2, 0)
