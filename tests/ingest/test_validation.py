"""The check of a workspace's data, on a shop that was counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aisle.ingest.validation import Finding, validate
from aisle.schema import DAY_MS, Event, Item
from aisle.store import EVENT_FRAME, SqlStore

START = 15_000 * DAY_MS  # 2011-01-26
NOW = 20_000 * DAY_MS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(tmp_path / "aisle.db", lambda: NOW)
    yield store
    store.close()


def write(store: SqlStore, rows: list[dict[str, Any]]) -> None:
    usual = dict.fromkeys(EVENT_FRAME) | {"item_index": 0, "type": "purchase"}
    first = store.num_events()
    named = [usual | {"event_id": str(first + number)} | row for number, row in enumerate(rows)]
    store.write_events(pl.DataFrame(named, schema=EVENT_FRAME))


def found(store: SqlStore) -> dict[str, Finding]:
    return {finding.code: finding for finding in validate(store).findings}


def test_a_shop_counted_by_hand(store: SqlStore) -> None:
    # 60 users view 25 items, one a day in turn, over 100 days: 60 x 20 = 1,200 views in the order of time.
    views = [
        {"type": "view", "user_id": f"u{n % 60}", "item_id": f"i{n % 25}", "timestamp_ms": START + n * DAY_MS // 12}
        for n in range(1200)
    ]
    # After 20 days of silence: one wholesaler with 1,100 purchases of which 100 are said twice,
    late = START + 120 * DAY_MS
    bulk = [{"user_id": "bulk", "item_id": "i1", "timestamp_ms": late + n} for n in range(1000)]
    bulk += [{"user_id": "bulk", "item_id": "i1", "timestamp_ms": late + n} for n in range(100)]
    # three purchases in a session without a user of two items that the catalogue does not have,
    strange = [{"session_id": "s", "item_id": f"x{n % 2}", "timestamp_ms": late + 5000 + n} for n in range(3)]
    # one event in the future and two from 1970.
    wrong = [{"user_id": "u1", "item_id": "i1", "timestamp_ms": ms} for ms in (NOW + DAY_MS, 1, 2)]
    write(store, views + bulk + strange + wrong)
    # The catalogue has the 25 items and two that were never seen; 4 have no title, 5 no category, 27 no price.
    store.put_items(
        [
            Item(item_id=f"i{n}", title=None if n < 4 else "t", category=[] if n < 5 else ["c"])
            for n in range(27)
        ]
    )  # fmt: skip

    report = validate(store)
    assert report.is_fit
    assert (report.num_events, report.num_users, report.num_items, report.num_catalogue) == (2306, 61, 27, 27)
    assert report.types == {"view": 1200, "purchase": 1106}
    assert (report.first, report.last) == ("1970-01-01T00:00:00.001Z", "2024-10-05T00:00:00Z")
    assert {one.code: (one.severity, one.count) for one in report.findings} == {
        "time_gaps": ("warning", 1),
        "in_future": ("warning", 1),
        "ancient": ("warning", 2),
        "no_title": ("warning", 4),
        "heavy_users": ("warning", 1),
        # The 100 that are said again, less the first, come after later ones; the next three and the future do not.
        "out_of_order": ("info", 100 + 2),
        "anonymous": ("info", 3),
        "repeated": ("info", 100),
        "unknown_items": ("info", 3),
        "no_category": ("info", 5),
        "no_price": ("info", 27),
        "never_seen": ("info", 2),
    }
    severities = [one.severity for one in report.findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    messages = {one.code: one.message for one in report.findings}
    assert messages["time_gaps"] == "1 stretches of 7 days and more without events, the longest 20 days"
    assert messages["heavy_users"] == "1 users have more than 1,000 events each, together 1100"
    assert "2 items that are not in the catalogue" in messages["unknown_items"]
    assert all(one.advice for one in report.findings)
    assert report.as_dict()["ok"] is True
    assert report.as_dict()["findings"][0].keys() == {"code", "severity", "count", "message", "advice"}


def test_an_empty_workspace(store: SqlStore) -> None:
    report = validate(store)
    assert not report.is_fit
    assert [(one.code, one.severity) for one in report.findings] == [
        ("no_events", "error"),
        ("no_catalogue", "warning"),
    ]
    assert report.first is None and report.last is None


def test_too_little(store: SqlStore) -> None:
    store.add_events([Event(type="view", user_id="u", item_id="a")], ["1"])
    findings = found(store)
    assert {code for code, one in findings.items() if one.severity == "error"} == {
        "too_few_events",
        "too_few_users",
        "too_few_items",
    }
    assert findings["too_few_events"].message == "1 events, expected at least 1000"
    assert {"too_short", "no_purchases", "no_catalogue"} <= findings.keys()


def test_mostly_anonymous_and_unknown(store: SqlStore) -> None:
    write(store, [{"session_id": f"s{n}", "item_id": f"i{n}", "timestamp_ms": START + n} for n in range(10)])
    store.put_items([Item(item_id="i0")])
    findings = found(store)
    assert (findings["anonymous"].severity, findings["anonymous"].count) == ("warning", 10)
    assert (findings["unknown_items"].severity, findings["unknown_items"].count) == ("warning", 9)
