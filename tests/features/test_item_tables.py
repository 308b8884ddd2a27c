"""Item tables: columns from a snapshot, caps on single visitors, and nothing known of what comes later."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aisle.features.item_tables import CandidateSettings, ItemColumns, ItemTables, ShopEvents, fit_item_tables
from aisle.schema import Item
from tests.histories import SIGNALS, Line, at, snapshot_of

SETTINGS = CandidateSettings()


def tables_of(lines: list[Line], day: float) -> ItemTables:
    snapshot = snapshot_of(lines, day=day)
    events = ShopEvents.of_snapshot(snapshot, SIGNALS.strengths, SIGNALS.target)
    prices_V = ItemColumns.of_snapshot(snapshot).prices_V
    return fit_item_tables(events, prices_V, until_ms=snapshot.until_ms, settings=SETTINGS)


def test_the_columns_of_a_snapshot() -> None:
    lines = [
        Line(1, "u1", "a", order="o1"),
        Line(1, "u1", "b", order="o1"),
        Line(2, None, "a", "view", session="s1"),
        Line(3, None, "b", session="s1"),
        Line(4, None, "b"),
        Line(4, None, "b"),
        Line(5, "u1", "a", "hide"),
    ]
    items = [Item(item_id="a", price=2.0, category=["x", "y"], brand="z", updated_at=at(1))]
    snapshot = snapshot_of(lines, items, day=9)
    events = ShopEvents.of_snapshot(snapshot, SIGNALS.strengths, SIGNALS.target)
    assert events.items_N.tolist() == [2, 3, 2, 3, 3, 3]
    assert events.users_N.tolist() == [2, 2, 0, 0, 0, 0]
    first, session, nobody, somebody = events.visitors_N[[0, 2, 4, 5]].tolist()
    assert events.visitors_N.tolist() == [first, first, session, session, nobody, somebody]
    assert len({first, session, nobody, somebody}) == 4, "two events of nobody are not known to be of one visitor"
    assert events.taken_N.tolist() == [True, True, False, True, True, True]
    assert events.strengths_N.tolist() == [1, 1, 0.2, 1, 1, 1]
    assert events.baskets_N[0] == events.baskets_N[1] >= 0
    assert events.baskets_N[4] == -1
    columns = ItemColumns.of_snapshot(snapshot)
    assert columns.prices_V.tolist() == pytest.approx([np.nan, np.nan, 2, np.nan], nan_ok=True)
    assert (columns.categories, columns.brands) == (["", "", "x", ""], ["", "", "z", ""])


def test_a_bot_counts_as_one() -> None:
    lines = [Line(1 + number / 1000, "bot", "a") for number in range(500)]
    lines += [Line(2, f"u{number}", "b") for number in range(3)]
    tables = tables_of(lines, 10)
    assert tables.visitors_VW[2].tolist() == pytest.approx([0, 1, 1, 1], abs=0.02)
    assert tables.visitors_VW[3].tolist() == pytest.approx([0, 3, 3, 3])
    assert tables.interest_V[2:].tolist() == pytest.approx([1, 3], abs=0.02)


def test_looks_count_as_interest_alone() -> None:
    tables = tables_of([Line(1, "u1", "a", "view"), Line(2, "u1", "a", "view"), Line(3, "u2", "b")], 10)
    assert tables.interest_V[2:].tolist() == pytest.approx([0.4, 1])
    assert tables.visitors_VW[2].sum() == tables.buyers_V[2] == tables.baskets_V[2] == 0


def test_what_comes_after_the_snapshot_changes_nothing() -> None:
    random = np.random.default_rng(0)
    num_events, num_items = 2000, 30
    times = np.sort(random.integers(0, 500, num_events)) * 86_400_000 + at(0)
    events = ShopEvents(
        random.integers(2, num_items, num_events),
        random.integers(0, 40, num_events),
        random.integers(0, 60, num_events),
        times,
        random.choice([0.2, 1.0], num_events),
        random.random(num_events) < 0.6,
        random.integers(1, 9, num_events).astype(np.float64),
        random.random(num_events) * 9,
        random.integers(0, 300, num_events),
    )
    until_ms = at(400)
    later = times >= until_ms
    assert 100 < later.sum() < 1000
    changed = {
        field.name: np.where(later, random.permutation(getattr(events, field.name)), getattr(events, field.name))
        for field in dataclasses.fields(ShopEvents)
        if field.name != "times_ms_N"
    }
    dropped = ShopEvents(*(getattr(events, field.name)[~later] for field in dataclasses.fields(ShopEvents)))
    prices_V = np.full(num_items, np.nan)
    ours, *theirs = (
        fit_item_tables(one, prices_V, until_ms=until_ms, settings=SETTINGS)
        for one in (events, dataclasses.replace(events, **changed), dropped)
    )
    for field in dataclasses.fields(ItemTables):
        for other in theirs:
            np.testing.assert_allclose(getattr(ours, field.name), getattr(other, field.name), rtol=1e-9, atol=1e-12)
    assert np.isfinite(ours.log_price_V[2:]).all()
    at_the_end = fit_item_tables(events, prices_V, until_ms=at(500), settings=SETTINGS)
    assert not np.allclose(ours.buyers_V, at_the_end.buyers_V)


def test_a_shop_without_events() -> None:
    snapshot = snapshot_of([Line(1, "u", "a", "hide")], day=5)
    events = ShopEvents.of_snapshot(snapshot, SIGNALS.strengths, SIGNALS.target)
    tables = fit_item_tables(events, np.array([np.nan, np.nan, 3.0]), until_ms=at(5), settings=SETTINGS)
    assert tables.interval_days_V.tolist() == [30, 30, 30]
    assert tables.repeat_rate_V.tolist() == [0, 0, 0]
    assert tables.visitors_VW.sum() == 0
