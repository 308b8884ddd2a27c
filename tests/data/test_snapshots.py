"""Snapshots: rows, baskets, the catalogue as of a time, and what comes during a window."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from aisle.data.snapshots import SNAPSHOT_FRAME, ShopLog
from aisle.errors import DataError
from aisle.schema import DAY_MS, Event, Item
from aisle.store import EVENT_FRAME
from aisle.workspace import Workspace
from tests.histories import Line, at, log_of, snapshot_of

LINES = [
    Line(3, "u2", "b"),
    Line(1, "u1", "a"),
    Line(5, "u1", "late"),
    Line(4, "u3", "a"),
    Line(5.5, "u4", "b"),
]


def test_only_what_was_seen_has_a_row_in_the_order_of_the_workspace() -> None:
    snapshot = snapshot_of(LINES, [Item(item_id="listed", updated_at=at(2))], day=5, item_order=["late", "b"])
    assert snapshot.item_ids == ["", "", "b", "listed", "a"]
    assert snapshot.user_ids == ["", "", "u2", "u1", "u3"]
    assert (snapshot.num_items, snapshot.num_users) == (5, 5)
    assert snapshot.item_row_of == {"b": 2, "listed": 3, "a": 4}
    assert snapshot.events.schema == SNAPSHOT_FRAME
    # In the order of time, whatever the order of arrival.
    assert snapshot.events.select("user", "item").rows() == [(3, 4), (2, 2), (4, 4)]
    assert snapshot.age_days(snapshot.events).tolist() == [4, 2, 1]


def test_an_event_at_the_very_time_of_the_snapshot_is_not_in_it() -> None:
    assert snapshot_of(LINES, day=5).events["time_ms"].max() == at(4)
    assert "late" in snapshot_of(LINES, day=5 + 1 / DAY_MS).item_ids


def test_the_catalogue_is_that_of_the_time() -> None:
    versions = [
        Item(item_id="a", title="first", price=1.0, updated_at=at(1)),
        Item(item_id="a", title="second", price=2.0, category=["x"], updated_at=at(5)),
        Item(item_id="new", title="later", updated_at=at(5)),
    ]
    before = snapshot_of(LINES, versions, day=5).catalogue
    assert before.select("item_id", "title", "price").rows() == [("a", "first", 1.0), ("b", None, None)]
    after = snapshot_of(LINES, versions, day=5 + 1 / DAY_MS)
    assert after.item_ids == ["", "", "a", "new", "b", "late"]
    assert after.catalogue["title"].to_list() == ["second", "later", None, None]
    assert after.catalogue["category"].to_list() == [["x"], [], None, None]


def test_baskets_are_orders_else_sessions_else_days_of_a_user() -> None:
    lines = [
        Line(1.0, "u1", "a", order="o1", session="s1"),
        Line(1.1, "u1", "b", order="o1", session="s2"),
        Line(1.2, "u1", "c", session="s1"),
        Line(1.3, None, "d", session="s1"),
        Line(1.4, "u1", "e"),
        Line(1.5, "u1", "f"),
        Line(1.6, "u2", "g"),
        Line(2.5, "u1", "h"),
        Line(2.6, None, "i"),
    ]
    snapshot = snapshot_of(lines, day=5)
    groups = snapshot.events.group_by("basket", maintain_order=True).agg("item").rows()
    named = {basket: "".join(snapshot.item_ids[row] for row in items) for basket, items in groups}
    assert named.pop(-1) == "i", "nobody knows where it belongs"
    assert sorted(named.values()) == ["ab", "cd", "ef", "g", "h"]
    assert sorted(named) == list(range(5))


def test_during_a_window_in_the_rows_of_the_snapshot() -> None:
    log = log_of([*LINES, Line(6, None, "a", session="s"), Line(6.5, "u1", "a", "view"), Line(7, "u1", "a")])
    snapshot = log.before(at(4))
    assert snapshot.item_ids == ["", "", "b", "a"]
    later = log.during(snapshot, at(7), "purchase")
    # u3 is unknown to the snapshot but somebody; "late" is unknown and left out; the session is nobody.
    assert later.select("user", "item", "has_user").rows() == [(0, 3, True), (0, 2, True), (0, 3, False)]
    assert log.during(snapshot, at(7), "purchase", "view")["user"].to_list() == [0, 0, 0, 3]
    assert log.during(snapshot, at(8), "purchase")["user"].to_list() == [0, 0, 0, 3]
    assert log.during(snapshot, at(4), "purchase").is_empty()


def test_ids_that_read_like_nothing_are_ids() -> None:
    log = log_of([Line(1, "None", "None"), Line(3, None, "None", session="s"), Line(3.5, "None", "None")])
    snapshot = log.before(at(2))
    later = log.during(snapshot, at(9), "purchase")
    assert later.select("user", "item", "has_user").rows() == [(0, 2, False), (2, 2, True)]


def test_the_end_is_the_midnight_after_the_last_event() -> None:
    log = log_of(LINES)
    assert (log.first_ms, log.end_ms) == (at(1), at(6))
    assert log_of([Line(2, "u", "a")]).end_ms == at(3)


def test_an_empty_workspace_says_how_to_go_on() -> None:
    with pytest.raises(DataError, match="received an empty workspace; run `aisle import events FILE`"):
        log_of([])


def test_the_log_of_a_store(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "shop")
    with closing(workspace.open_store()) as store:
        store.put_items([Item(item_id="tea", title="Tea", price=3.0, updated_at=at(1))])
        events = [
            Event(type="purchase", user_id="u1", items=["tea", "cup"], timestamp=at(2), order_id="o1"),
            Event(type="view", session_id="s1", item_id="tea", timestamp=at(3)),
        ]
        store.add_events(events, ["e1", "e2"])
        log = ShopLog.read(store)
        snapshot = log.before(log.end_ms)
        assert snapshot.item_ids == ["", "", "tea", "cup"]
        assert snapshot.user_ids == ["", "", "u1"]
        expected = [("purchase", 2, 2, "o1"), ("purchase", 2, 3, "o1"), ("view", 0, 2, None)]
        assert snapshot.events.select("type", "user", "item", "order_id").rows() == expected
        assert snapshot.events["basket"].to_list()[0] == snapshot.events["basket"].to_list()[1]
        assert snapshot.catalogue["title"].to_list() == ["Tea", None]
        store.delete_item("tea")
        store.delete_user("u1")
        after = ShopLog.read(store).before(at(9))
        assert after.user_ids == ["", ""]
        assert after.events["type"].to_list() == ["view"]


def test_an_item_deleted_before_the_time_keeps_its_row_without_a_record(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "shop")
    with closing(workspace.open_store()) as store:
        store.put_items([Item(item_id=name, title=name, updated_at=at(1)) for name in ("gone", "unsold", "tea")])
        events = [Event(type="purchase", user_id="u", item_id=name, timestamp=at(2)) for name in ("gone", "tea")]
        store.add_events(events, ["e1", "e2"])
        for name in ("gone", "unsold"):
            store.delete_item(name)
        snapshot = ShopLog.read(store).before(store.now_ms() + 1)
    assert snapshot.item_ids == ["", "", "gone", "tea"]
    assert snapshot.catalogue.select("item_id", "title").rows() == [("gone", None), ("tea", "tea")]


def test_an_item_that_comes_while_the_log_is_read_is_not_in_it(tmp_path: Path) -> None:
    with closing(Workspace.create(tmp_path).open_store()) as store:
        store.add_events([Event(type="purchase", user_id="u", item_id="a")], ["1"])
        log = ShopLog.read(store)
        store.put_items([Item(item_id="came since")])
        assert log.before(log.end_ms).item_ids == ["", "", "a"]


def test_events_of_the_future_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Workspace.create(tmp_path).open_store()) as store:
        now = store.now_ms()
        rows = [{"event_id": str(n), "item_id": "a", "timestamp_ms": now - n * DAY_MS} for n in (3, 2, -2000)]
        frame = pl.DataFrame(
            [{"item_index": 0, "type": "purchase", "user_id": "u", **row} for row in rows],
            schema_overrides=dict(EVENT_FRAME),
        )
        missing = [pl.lit(None, dtype).alias(name) for name, dtype in EVENT_FRAME.items() if name not in frame.columns]
        store.write_events(frame.with_columns(missing).select(EVENT_FRAME.names()))
        log = ShopLog.read(store)
        assert log.events.height == 2
        assert log.end_ms <= now
    assert "1 events lie in the shop's future" in caplog.text
