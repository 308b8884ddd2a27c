"""Repurchase intervals, counted by hand."""

from __future__ import annotations

import pytest

from aisle.recipe.generators import RepeatsSpec
from aisle.retrieval import fit_repeats
from aisle.retrieval.repeats import DEFAULT_INTERVAL_DAYS, repurchase_intervals
from tests.histories import SIGNALS, Line, snapshot_of

SOAP = [Line(day, "u1", "soap") for day in (0, 10, 30)] + [Line(day, "u2", "soap") for day in (5, 11)]
RARE = [Line(0, "u1", "rare"), Line(50, "u1", "rare")]
ONCE = [Line(0, "u1", "once"), Line(0, "u2", "once"), Line(0.5, "u2", "once")]


def test_the_median_of_an_item_or_of_all() -> None:
    others = [Line(20, None, "soap", session="s"), Line(21, None, "soap", session="s"), Line(15, "u1", "soap", "view")]
    snapshot = snapshot_of(SOAP + RARE + ONCE + others, day=60, item_order=["soap", "rare", "once"])
    intervals = repurchase_intervals(snapshot, "purchase", min_intervals=3)
    # soap: 10, 20, 6 days; rare has one pair of 50 only; once was bought again on the same day, which is no interval.
    assert intervals[2:].tolist() == [10, 15, 15]
    assert repurchase_intervals(snapshot, "purchase", min_intervals=1)[2:].tolist() == [10, 50, 15]


def test_what_nobody_bought_twice_comes_due_after_the_default() -> None:
    intervals = repurchase_intervals(snapshot_of(ONCE, day=60), "purchase", min_intervals=1)
    assert intervals.tolist() == [DEFAULT_INTERVAL_DAYS] * 3


def test_one_source_per_half_life_and_one_for_what_is_due() -> None:
    snapshot = snapshot_of(SOAP, day=60)
    names = [one.name for one in fit_repeats("own", RepeatsSpec(kind="repeats"), snapshot, SIGNALS)]
    assert names == ["own_30d", "own_180d", "own_due"]
    spec = RepeatsSpec(kind="repeats", half_life_days=[None], due=False)
    assert [one.name for one in fit_repeats("own", spec, snapshot, SIGNALS)] == ["own_always"]


def test_a_day_is_the_shortest_interval() -> None:
    lines = [Line(0.9, "u1", "tea"), Line(1.1, "u1", "tea")]
    assert repurchase_intervals(snapshot_of(lines, day=60), "purchase", 1)[2] == pytest.approx(1)
