"""What every store must do; a backend enters by a subclass that says how to open one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aisle.errors import DataError, SchemaError
from aisle.schema import DAY_MS, Event, Item, User
from aisle.store import (
    CATALOGUE_FRAME,
    EVENT_FRAME,
    TRAINING_FRAME,
    BundleRecord,
    ImportMark,
    ServedRecord,
    Store,
)

NOW = 1_700_000_000_000  # the machine's time at the start of each test


class Machine:
    """The machine's clock, set by hand."""

    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms


def event(**fields: Any) -> Event:
    return Event.model_validate({"type": "purchase", "user_id": "u1", "item_id": "a"} | fields)


def event_frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Checked events as an import hands them over; what a row leaves out is usual."""
    usual = dict.fromkeys(EVENT_FRAME) | {"item_index": 0, "type": "purchase", "user_id": "u1", "item_id": "a"}
    return pl.DataFrame([usual | row for row in rows], schema=EVENT_FRAME)


def mark(**fields: Any) -> ImportMark:
    usual: dict[str, Any] = {
        "import_key": "k",
        "kind": "events",
        "source": "events.csv",
        "rows_done": 0,
        "byte_offset": -1,
        "state": {},
        "finished": False,
    }
    return ImportMark(**(usual | fields))


class StoreContract:
    """Subclass it as ``TestMyStore`` and give :meth:`open_at`."""

    def open_at(self, path: Path, wall: Callable[[], int]) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def machine(self) -> Machine:
        return Machine()

    @pytest.fixture
    def store(self, tmp_path: Path, machine: Machine) -> Iterator[Store]:
        store = self.open_at(tmp_path, machine)
        yield store
        store.close()

    # ---- clock

    def test_clock_is_the_machines_before_the_first_import(self, store: Store, machine: Machine) -> None:
        assert store.now_ms() == NOW
        machine.ms += 5
        assert store.now_ms() == NOW + 5

    def test_clock_stands_at_the_last_event_and_runs_on(self, store: Store, machine: Machine) -> None:
        store.anchor_clock(1000)
        machine.ms += 7
        assert store.now_ms() == 1007

    def test_clock_never_goes_back(self, store: Store, machine: Machine) -> None:
        store.anchor_clock(2000)
        store.anchor_clock(1000)
        assert store.now_ms() == 2000
        machine.ms -= 500
        assert store.now_ms() == 2000

    def test_clock_follows_an_import(self, store: Store) -> None:
        store.write_events(event_frame({"event_id": "1", "timestamp_ms": 50}, {"event_id": "2", "timestamp_ms": 40}))
        assert store.now_ms() == 50

    def test_one_wrong_date_does_not_move_the_clock(self, store: Store) -> None:
        rows = [{"event_id": "1", "timestamp_ms": 50}, {"event_id": "2", "timestamp_ms": NOW + DAY_MS}]
        store.write_events(event_frame(*rows))
        assert store.now_ms() == 50
        store.write_events(event_frame({"event_id": "3", "timestamp_ms": NOW + 2 * DAY_MS}))
        assert store.now_ms() == 50

    def test_a_shop_in_the_future_has_its_own_time(self, store: Store) -> None:
        store.write_events(event_frame({"event_id": "1", "timestamp_ms": NOW + DAY_MS}))
        assert store.now_ms() == NOW + DAY_MS

    def test_first_import_after_live_events_does_not_turn_the_clock_back(self, store: Store) -> None:
        store.add_events([event()], ["live"])
        store.write_events(event_frame({"event_id": "1", "timestamp_ms": 50}))
        assert store.now_ms() == NOW

    # ---- live events

    def test_add_events_reports_duplicates_one_by_one(self, store: Store) -> None:
        first = store.add_events([event(), event(item_id="b")], ["1", "2"])
        assert (first.accepted, first.duplicates, list(first.is_duplicate)) == (2, 0, [False, False])
        again = store.add_events([event(item_id="b"), event(), event()], ["2", "3", "3"])
        assert (again.accepted, again.duplicates, list(again.is_duplicate)) == (1, 2, [True, False, True])
        assert store.num_events() == 3

    def test_add_nothing(self, store: Store) -> None:
        assert store.add_events([], []).accepted == 0

    def test_add_events_wants_one_id_each(self, store: Store) -> None:
        with pytest.raises(ValueError, match="1 events and 2 ids"):
            store.add_events([event()], ["1", "2"])

    def test_live_events_never_lie_in_the_future_but_keep_their_stamp(self, store: Store, machine: Machine) -> None:
        store.anchor_clock(10_000)
        stamped = [event(item_id="later", timestamp="1970-01-01T00:01:00Z"), event(item_id="none")]
        store.add_events(stamped, ["1", "2"])
        machine.ms += 1
        store.add_events([event(item_id="early", timestamp="1970-01-01T00:00:05Z")], ["3"])
        history = store.history("u1", None, 10)
        assert history.item_ids == ["early", "later", "none"]
        assert history.times_ms == [5000, 10_000, 10_000]
        assert [stored.event.timestamp for stored in store.user_events("u1", 10)] == [10_000, 60_000, 5000]

    def test_user_events_give_back_what_was_sent(self, store: Store) -> None:
        sent = event(
            type="impression", session_id="s", item_id=None, items=["b", "a", "b"], timestamp=NOW / 1000 - 5, value=1.5,
            quantity=2, price=3.25, order_id="o", request_id="r", position=4, placement="for-you",
            context={"z": [1, None], "a": {"b": "ü"}},
        )  # fmt: skip
        store.add_events([sent, event(timestamp=NOW / 1000 - 9)], ["x", "y"])
        stored = store.user_events("u1", 10)
        assert [one.event_id for one in stored] == ["x", "y"]
        assert stored[0].event == sent.model_copy(update={"event_id": "x"})
        assert stored[0].received_ms == NOW
        assert [one.event_id for one in store.user_events("u1", 1)] == ["x"]
        assert store.user_events("nobody", 10) == []

    # ---- history

    def test_history_is_the_last_rows_oldest_first(self, store: Store) -> None:
        events = [event(item_id=f"i{n}", timestamp=n, quantity=n, price=n / 2) for n in range(6)]
        store.add_events(events, [str(n) for n in range(6)])
        history = store.history("u1", None, 3)
        assert history.item_ids == ["i3", "i4", "i5"]
        assert history.times_ms == [3000, 4000, 5000]
        assert history.quantities == [3, 4, 5]
        assert history.prices == [1.5, 2, 2.5]
        assert history.types == ["purchase"] * 3

    def test_history_is_of_what_was_done_not_of_what_was_shown(self, store: Store) -> None:
        """Lists of impressions are long, and must not push purchases out."""
        store.add_events([event(item_id="bought", timestamp=1)], ["1"])
        shown = event(type="impression", item_id=None, items=[f"i{n}" for n in range(50)], timestamp=2)
        store.add_events([shown], ["2"])
        assert store.history("u1", None, 10).item_ids == ["bought"]
        assert len(store.user_events("u1", 10)) == 2

    def test_history_of_user_and_session(self, store: Store) -> None:
        events = [
            event(item_id="mine", timestamp=1),
            event(item_id="before_login", user_id=None, session_id="s", timestamp=2),
            event(item_id="after_login", session_id="s", timestamp=3),
            event(item_id="other", user_id="u2", session_id="s", timestamp=4),
        ]
        store.add_events(events, ["1", "2", "3", "4"])
        assert store.history("u1", "s", 10).item_ids == ["mine", "before_login", "after_login"]
        assert store.history("u1", "s", 2).item_ids == ["before_login", "after_login"]
        assert store.history(None, "s", 10).item_ids == ["before_login", "after_login", "other"]
        assert store.history("new", "s", 10).item_ids == ["before_login"]

    def test_items_of_a_visitor_whenever_it_was(self, store: Store) -> None:
        events = [
            event(item_id="old", timestamp=1),
            event(item_id="seen", type="view", timestamp=2),
            event(item_id="old", timestamp=3),
            event(item_id="before_login", user_id=None, session_id="s", timestamp=4),
            event(item_id="other", user_id="u2", session_id="s", timestamp=5),
        ]
        store.add_events(events, ["1", "2", "3", "4", "5"])
        assert store.visitor_items("u1", None, "purchase") == {"old"}
        assert store.visitor_items("u1", None, "view") == {"seen"}
        assert store.visitor_items("u1", "s", "purchase") == {"old", "before_login"}
        assert store.visitor_items(None, "s", "purchase") == {"before_login", "other"}
        assert store.visitor_items("nobody", "none", "purchase") == store.visitor_items(None, None, "view") == set()

    def test_history_of_nobody_is_empty(self, store: Store) -> None:
        for user, session in ((None, None), ("u", None), (None, "s"), ("u", "s")):
            assert store.history(user, session, 10).item_ids == []

    # ---- bulk events

    def test_write_events_counts_and_is_idempotent(self, store: Store) -> None:
        frame = event_frame(*({"event_id": str(n), "timestamp_ms": n, "item_id": f"i{n % 3}"} for n in range(1000)))
        result = store.write_events(frame)
        assert (result.accepted, result.duplicates) == (1000, 0)
        more = pl.concat([frame, event_frame({"event_id": "new", "timestamp_ms": 7})])
        result = store.write_events(more)
        assert (result.accepted, result.duplicates) == (1, 1000)
        assert store.num_events() == 1001

    def test_write_events_with_a_repeated_id(self, store: Store) -> None:
        result = store.write_events(event_frame(*({"event_id": "same", "timestamp_ms": n} for n in range(3))))
        assert (result.accepted, result.duplicates) == (1, 2)

    def test_list_events_are_one_event_each(self, store: Store) -> None:
        rows = [{"event_id": "x", "item_index": n, "item_id": f"i{n}", "timestamp_ms": 1} for n in range(3)]
        assert store.write_events(event_frame(*rows)).accepted == 1
        longer = [{"event_id": "x", "item_index": n, "item_id": f"i{n}", "timestamp_ms": 1} for n in range(5)]
        other = [{"event_id": "y", "item_index": n, "item_id": f"i{n}", "timestamp_ms": 1} for n in range(2)]
        result = store.write_events(event_frame(*longer, *other, *other))
        assert (result.accepted, result.duplicates) == (1, 2)
        assert store.num_events() == 2
        assert [stored.event.items for stored in store.user_events("u1", 9)] == [["i0", "i1"], ["i0", "i1", "i2"]]

    def test_write_no_events_but_a_mark(self, store: Store) -> None:
        result = store.write_events(event_frame(), mark(rows_done=9))
        assert (result.accepted, result.duplicates) == (0, 0)
        found = store.import_mark("k")
        assert found is not None and found.rows_done == 9
        assert store.now_ms() == NOW

    def test_write_events_refuses_other_columns(self, store: Store) -> None:
        with pytest.raises(SchemaError, match="expected the columns"):
            store.write_events(event_frame({"event_id": "1", "timestamp_ms": 1}).drop("price"))

    def test_imported_events_keep_their_time(self, store: Store) -> None:
        store.anchor_clock(100)
        store.write_events(event_frame({"event_id": "1", "timestamp_ms": NOW + DAY_MS}))
        assert store.history("u1", None, 1).times_ms == [NOW + DAY_MS]

    def test_the_same_id_counts_across_both_ways_in(self, store: Store) -> None:
        store.add_events([event()], ["1"])
        assert store.write_events(event_frame({"event_id": "1", "timestamp_ms": 1})).duplicates == 1
        store.write_events(event_frame({"event_id": "2", "timestamp_ms": 1}))
        assert store.add_events([event()], ["2"]).duplicates == 1

    # ---- scans

    def test_scan_gives_all_in_the_order_of_arrival(self, store: Store) -> None:
        rows = [
            {"event_id": "1", "timestamp_ms": 30, "quantity": 2.0, "price": 1.5, "order_id": "o", "value": 9.0},
            {"event_id": "2", "timestamp_ms": 10, "user_id": None, "session_id": "s", "item_id": "b"},
            {"event_id": "3", "timestamp_ms": 20, "user_id": "u2", "type": "view"},
        ]
        store.write_events(event_frame(*rows))
        whole = pl.concat(store.scan_events())
        assert whole.schema == TRAINING_FRAME
        assert whole["seq"].is_sorted() and whole["seq"].n_unique() == 3
        assert whole["time_ms"].to_list() == [30, 10, 20]
        assert whole["user_row"].to_list() == [2, 0, 3]
        assert whole["item_row"].to_list() == [2, 3, 2]
        assert whole["session_id"].to_list() == [None, "s", None]
        assert whole["type"].to_list() == ["purchase", "purchase", "view"]
        assert whole.select("value", "quantity", "price", "order_id").row(0) == (9.0, 2.0, 1.5, "o")

    def test_scan_in_batches_and_before_a_time(self, store: Store) -> None:
        store.write_events(event_frame(*({"event_id": str(n), "timestamp_ms": n} for n in range(10))))
        batches = list(store.scan_events(before_ms=7, batch_rows=3))
        assert [len(batch) for batch in batches] == [3, 3, 1]
        assert pl.concat(batches)["time_ms"].to_list() == list(range(7))
        assert list(store.scan_events(before_ms=0)) == []

    def test_scan_leaves_out_what_arrives_meanwhile(self, store: Store) -> None:
        store.write_events(event_frame(*({"event_id": str(n), "timestamp_ms": n} for n in range(4))))
        scan = store.scan_events(batch_rows=2)
        first = next(scan)
        store.write_events(event_frame({"event_id": "new", "timestamp_ms": 1}))
        assert len(first) + sum(len(batch) for batch in scan) == 4

    def test_popular_items(self, store: Store) -> None:
        rows = [("a", "purchase", 1), ("a", "purchase", 5), ("b", "purchase", 6), ("b", "view", 6), ("c", "hide", 6)]
        store.write_events(
            event_frame(
                *(
                    {"event_id": str(n), "item_id": i, "type": t, "timestamp_ms": ms}
                    for n, (i, t, ms) in enumerate(rows)
                )
            )
        )
        assert store.popular_items(since_ms=0, limit=9) == [("a", 2.0), ("b", 1.1)]
        assert store.popular_items(since_ms=5, limit=1) == [("b", 1.1)]
        assert store.popular_items(since_ms=7, limit=9) == []

    # ---- ids

    def test_ids_are_appended_from_row_two(self, store: Store) -> None:
        assert store.ids("item") == [None, None]
        store.add_events([event(), event(user_id="u2", item_id="b")], ["1", "2"])
        store.put_items([Item(item_id="c"), Item(item_id="a")])
        store.put_users([User(user_id="u0")])
        assert store.ids("item") == [None, None, "a", "b", "c"]
        assert store.ids("user") == [None, None, "u1", "u2", "u0"]

    def test_the_newest_users(self, store: Store) -> None:
        assert (store.newest_users(9), store.num_users()) == ([], 0)
        store.put_users([User(user_id="u1"), User(user_id="u2"), User(user_id="u3")])
        store.add_events([event(user_id="u4"), event()], ["1", "2"])
        assert (store.newest_users(2), store.num_users()) == (["u4", "u3"], 4)
        store.delete_user("u3")
        assert (store.newest_users(2), store.num_users()) == (["u4", "u2"], 3)
        assert store.newest_users(9) == ["u4", "u2", "u1"]

    # ---- catalogue

    def test_put_and_get_an_item(self, store: Store) -> None:
        item = Item.model_validate(
            {
                "item_id": "a", "parent_id": "p", "title": "Tee", "description": "Soft", "category": ["x", "y"],
                "brand": "B", "price": 9.5, "currency": "EUR", "available": False, "image_url": "i.png",
                "created_at": "2020-01-01T00:00:00Z", "updated_at": "2021-01-01T00:00:00Z",
                "attributes": {"colour": ["red"], "size": 3},
            }
        )  # fmt: skip
        assert store.put_items([item]) == 1
        assert store.get_item("a") == item
        assert store.get_item("b") is None

    def test_a_put_that_says_nothing_new_is_left_out(self, store: Store) -> None:
        dated = Item.model_validate({"item_id": "a", "title": "old", "updated_at": "2020-01-01"})
        assert store.put_items([dated]) == 1
        assert store.put_items([dated]) == 0
        assert store.put_items([Item(item_id="a", title="old")]) == 0
        change = store.catalogue_changes(0).change
        assert store.put_items([Item(item_id="a", title="new")]) == 1
        assert store.catalogue_changes(change).change > change

    def test_the_current_record_is_the_one_that_holds_last(self, store: Store) -> None:
        later = Item.model_validate({"item_id": "a", "title": "later", "updated_at": "2022-01-01"})
        earlier = Item.model_validate({"item_id": "a", "title": "earlier", "updated_at": "2021-01-01"})
        store.put_items([later])
        store.put_items([earlier])
        found = store.get_item("a")
        assert found is not None and found.title == "later"

    def test_an_undated_record_is_current_at_once(self, store: Store) -> None:
        ahead = Item.model_validate({"item_id": "a", "title": "ahead", "updated_at": "2033-01-01"})
        store.put_items([ahead])
        store.put_items([Item(item_id="a", title="now", available=False)])
        found = store.get_item("a")
        assert found is not None and (found.title, found.available) == ("now", False)

    def test_catalogue_as_of(self, store: Store) -> None:
        versions = [("a", "one", 1), ("a", "two", 5), ("b", "bee", 3)]
        store.put_items(
            [Item.model_validate({"item_id": i, "title": t, "updated_at": day * 86_400}) for i, t, day in versions]
        )

        def titles(day: float | None) -> dict[str, str]:
            frame = store.catalogue_as_of(None if day is None else int(day * DAY_MS))
            assert frame.schema == CATALOGUE_FRAME
            return dict(zip(frame["item_id"], frame["title"], strict=True))

        assert titles(0.5) == {}
        assert titles(1) == {"a": "one"}
        assert titles(4.9) == {"a": "one", "b": "bee"}
        assert titles(5) == {"a": "two", "b": "bee"}
        assert titles(None) == {"a": "two", "b": "bee"}
        # The same moment again: what arrived last holds.
        store.put_items([Item.model_validate({"item_id": "a", "title": "2", "updated_at": 5 * 86_400})])
        assert titles(5) == titles(None) == {"a": "2", "b": "bee"}

    def test_catalogue_as_of_a_change(self, store: Store) -> None:
        def titles(last_change: int | None, time_ms: int | None = NOW) -> list[str]:
            return list(store.catalogue_as_of(time_ms, last_change=last_change)["title"])

        store.put_items([Item.model_validate({"item_id": "a", "title": "one", "updated_at": "2020-01-01"})])
        change = store.catalogue_changes(0).change
        later = [("a", "two", "2021-01-01"), ("b", "bee", "2019-01-01")]  # they held before, and came after
        store.put_items(
            [Item.model_validate({"item_id": i, "title": title, "updated_at": day}) for i, title, day in later]
        )
        assert titles(None) == ["two", "bee"]
        assert titles(change) == titles(change, None) == ["one"]
        assert titles(change - 1) == []
        assert titles(store.catalogue_changes(0).change, None) == ["two", "bee"]

    def test_undated_records_of_a_first_file_hold_since_ever(self, store: Store) -> None:
        made = Item.model_validate({"item_id": "b", "created_at": "1990-01-01"})
        store.put_items([Item(item_id="a", title="one"), made], undated="always")
        assert store.catalogue_as_of(0)["item_id"].to_list() == ["a"]
        assert store.catalogue_as_of(NOW)["item_id"].to_list() == ["a", "b"]
        store.put_items([Item(item_id="a", title="two")], undated="always")
        assert store.catalogue_as_of(0)["title"].to_list() == ["one"]
        assert store.catalogue_as_of(NOW)["title"].to_list() == ["two", None]

    def test_catalogue_frame_holds_everything(self, store: Store) -> None:
        fields = {"title": "Tee", "category": ["x", "y"], "price": 2.5, "attributes": {"b": 1, "a": 2}}
        store.put_items([Item.model_validate({"item_id": "a", "created_at": 86_400, "updated_at": 86_400} | fields)])
        (row,) = store.catalogue_as_of(None).to_dicts()
        assert row["item_row"] == 2
        assert row["category"] == ["x", "y"]
        assert row["attributes"] == '{"a":2,"b":1}'
        assert row["valid_from_ms"] == row["created_ms"] == DAY_MS
        assert row["available"] is True

    def test_delete_an_item(self, store: Store) -> None:
        store.put_items([Item.model_validate({"item_id": "a", "title": "one", "updated_at": "2020-01-01"})])
        change = store.catalogue_changes(0).change
        assert store.delete_item("a") is True
        assert store.delete_item("a") is False
        assert store.delete_item("never") is False
        assert store.get_item("a") is None
        assert store.catalogue_changes(change).deleted == ["a"]
        assert store.catalogue_as_of(None).is_empty()
        assert store.catalogue_as_of(NOW - 1)["title"].to_list() == ["one"]
        assert store.ids("item") == [None, None, "a"]
        assert store.put_items([Item(item_id="a", title="one")]) == 1
        assert store.get_item("a") is not None

    def test_catalogue_changes(self, store: Store) -> None:
        assert store.catalogue_changes(0).items == []
        store.put_items([Item(item_id="a"), Item(item_id="b")])
        first = store.catalogue_changes(0)
        assert [item.item_id for item in first.items] == ["a", "b"]
        assert store.catalogue_changes(first.change).items == []
        store.put_items([Item(item_id="b", price=1)])
        second = store.catalogue_changes(first.change)
        assert [(item.item_id, item.price) for item in second.items] == [("b", 1.0)]
        assert store.catalogue_changes(second.change).change == second.change

    # ---- users

    def test_put_and_get_a_user(self, store: Store) -> None:
        assert store.get_user("u1") is None
        assert store.put_users([User(user_id="u1", attributes={"tier": "gold"})]) == 1
        assert store.put_users([User(user_id="u1", attributes={"tier": "gold"})]) == 0
        assert store.put_users([User(user_id="u1", attributes={"tier": "iron"})]) == 1
        assert store.get_user("u1") == User(user_id="u1", attributes={"tier": "iron"})

    def test_a_user_known_by_events_alone(self, store: Store) -> None:
        store.add_events([event(user_id="u9")], ["1"])
        assert store.get_user("u9") == User(user_id="u9")

    def test_delete_a_user(self, store: Store) -> None:
        store.put_users([User(user_id="u1"), User(user_id="u2")])
        store.add_events([event(), event(user_id="u2"), event(item_id=None, items=["a", "b"])], ["1", "2", "3"])
        last_seq = pl.concat(store.scan_events())["seq"].max()
        assert store.delete_user("u1") == 2
        assert store.get_user("u1") is None
        assert store.history("u1", None, 10).item_ids == []
        assert store.ids("user") == [None, None, None, "u2"]
        assert store.num_events() == 1
        assert store.delete_user("u1") == 0
        store.add_events([event()], ["4"])
        assert store.ids("user") == [None, None, None, "u2", "u1"], "a new row, not the old one"
        assert pl.concat(store.scan_events())["seq"].max() > last_seq, "a number is never given twice"

    # ---- imports

    def test_marks(self, store: Store) -> None:
        assert store.import_mark("k") is None
        first = mark(rows_done=5, byte_offset=77, state={"reasons": {"x": 2}})
        store.save_import_mark(first)
        none = {"accepted": 0, "duplicates": 0}
        assert store.import_mark("k") == mark(rows_done=5, byte_offset=77, state={"reasons": {"x": 2}} | none)
        frame = event_frame({"event_id": "1", "timestamp_ms": 1})
        items, users = [Item(item_id="a")], [User(user_id="u")]
        for save in (
            lambda m: store.write_events(frame, m),
            lambda m: store.put_items(items, m),
            lambda m: store.put_users(users, m),
        ):
            store.save_import_mark(mark())
            save(mark(rows_done=8, state={"accepted": 3}, finished=True))
            counted = {"accepted": 4, "duplicates": 0}
            assert store.import_mark("k") == mark(rows_done=8, state=counted, finished=True)
            save(mark(state=counted))
            assert store.import_mark("k") == mark(state={"accepted": 4, "duplicates": 1})

    # ---- bundles

    def test_registry(self, store: Store) -> None:
        assert store.active_bundle() is None
        assert store.bundles() == []
        for number, version in enumerate("abc"):
            store.register_bundle(BundleRecord(version, f"/b/{version}", f"sha-{version}", number, False, {"m": 0.5}))
        assert [bundle.version for bundle in store.bundles()] == ["c", "b", "a"]
        assert not any(bundle.is_active for bundle in store.bundles())
        with pytest.raises(DataError, match="registered already"):
            store.register_bundle(BundleRecord("a", "", "", 0, False, {}))
        store.activate_bundle("a")
        assert store.active_bundle() == BundleRecord("a", "/b/a", "sha-a", 0, True, {"m": 0.5})
        assert [bundle.version for bundle in store.bundles() if bundle.is_active] == ["a"]

    def test_rollback(self, store: Store) -> None:
        for version in "abc":
            store.register_bundle(BundleRecord(version, "", "", 0, False, {}))
        with pytest.raises(DataError, match="nothing to go back to"):
            store.rollback_bundle()
        for version in "abbca":
            store.activate_bundle(version)
        assert [store.rollback_bundle() for _ in range(3)] == ["c", "b", "a"]
        active = store.active_bundle()
        assert active is not None and active.version == "a"
        with pytest.raises(DataError, match="nothing to go back to"):
            store.rollback_bundle()

    def test_delete_a_bundle(self, store: Store) -> None:
        for version in "ab":
            store.register_bundle(BundleRecord(version, "", "", 0, False, {}))
            store.activate_bundle(version)
        with pytest.raises(DataError, match="not active"):
            store.delete_bundle("b")
        store.delete_bundle("a")
        assert [bundle.version for bundle in store.bundles()] == ["b"]
        with pytest.raises(DataError, match="nothing to go back to"):
            store.rollback_bundle()
        with pytest.raises(DataError, match="registered version"):
            store.delete_bundle("a")
        with pytest.raises(DataError, match="registered version"):
            store.activate_bundle("a")

    # ---- served answers

    def test_report_counted_by_hand(self, store: Store) -> None:
        store.put_items([Item(item_id=item_id) for item_id in "abcde"])

        def answer(request_id: str, time_ms: int, placement: str, items: str) -> ServedRecord:
            lines = [{"item_id": i, "position": n, "score": 1.0, "source": "s"} for n, i in enumerate(items)]
            return ServedRecord(request_id, time_ms, placement, "u1", "s1", "m", "blend", lines)

        answers = [
            answer("early", 99, "for-you", "abcde"),  # before the period
            answer("r1", 100, "for-you", "ab"),
            answer("r2", 150, "for-you", "bcx"),  # x is not in the catalogue
            answer("r3", 150, "popular", "a"),
            answer("r4", 150, "popular", ""),  # an answer without items
            answer("end", 200, "for-you", "e"),  # the end is excluded
        ]
        store.log_served(answers)
        store.log_served(answers[:2])  # sent again: changes nothing
        outcomes = [
            ("impression", "r1", "ab"),
            ("impression", "r1", "a"),  # seen twice: counts once
            ("impression", "r2", "bz"),  # z was not in that answer
            ("view", "r1", "a"),
            ("view", "r2", "b"),
            ("view", "r3", "b"),  # b was not in that answer
            ("purchase", "r2", "b"),
            ("purchase", "r2", "x"),
            ("purchase", "early", "a"),
            ("purchase", None, "a"),  # names no answer
            ("add_to_cart", "r3", "a"),  # no outcome of the report
        ]
        events = [
            Event.model_validate({"type": t, "user_id": "u1", "request_id": r, "items": list(items)})
            for t, r, items in outcomes
        ]
        store.add_events(events, [str(n) for n in range(len(events))])
        assert store.report(100, 200) == {
            "for-you": {"answers": 2, "served": 5, "seen": 3, "clicked": 2, "bought": 2, "coverage": 3 / 5},
            "popular": {"answers": 2, "served": 1, "seen": 0, "clicked": 0, "bought": 0, "coverage": 1 / 5},
        }
        assert store.report(300, 400) == {}
        store.delete_user("u1")
        assert store.report(100, 200)["for-you"]["served"] == 5
        assert store.report(100, 200)["for-you"]["seen"] == 0

    def test_report_without_a_catalogue(self, store: Store) -> None:
        store.log_served([ServedRecord("r", 1, "popular", None, None, "", "", [{"item_id": "a", "position": 0}])])
        store.log_served([])
        assert store.report(0, 2)["popular"]["coverage"] == 0.0

    # ---- durability and many hands

    def test_everything_is_there_after_closing(self, store: Store, tmp_path: Path, machine: Machine) -> None:
        store.write_events(event_frame({"event_id": "1", "timestamp_ms": 50}))
        store.put_items([Item(item_id="a", title="t")])
        store.close()
        store.close()
        with pytest.raises(DataError, match="closed"):
            store.num_events()
        again = self.open_at(tmp_path, machine)
        try:
            assert again.num_events() == 1
            assert again.now_ms() == 50
            found = again.get_item("a")
            assert found is not None and found.title == "t"
        finally:
            again.close()

    def test_many_threads_and_two_stores(self, store: Store, tmp_path: Path, machine: Machine) -> None:
        other = self.open_at(tmp_path, machine)
        failures: list[BaseException] = []

        def work(number: int) -> None:
            mine = (store, other)[number % 2]
            try:
                for turn in range(10):
                    ids = [f"{number}-{turn}-{n}" for n in range(3)] + [f"shared-{turn}"]
                    mine.add_events([event(user_id=f"u{number}", item_id=f"i{turn}")] * 4, ids)
                    assert len(mine.history(f"u{number}", None, 100).item_ids) >= 3 * (turn + 1)
                    mine.put_items([Item(item_id=f"i{turn}", price=number)])
                    mine.catalogue_changes(0)
            except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.close()
        assert failures == []
        assert store.num_events() == 6 * 10 * 3 + 10
        assert len(store.ids("item")) == 2 + 10
        assert len(set(store.ids("user"))) == 1 + 6
