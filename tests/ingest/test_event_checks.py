"""The fast check of a frame and the record agree on every row: what is taken, with what values, and why not."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.ingest.chunks import Rejected
from aisle.ingest.event_checks import CHECKED_FRAME, check_frame, collect_events
from aisle.ingest.event_ids import content_digests, derived_ids, event_ids
from aisle.ingest.mapping import FieldMap
from aisle.ingest.records import CheckedRow, check_row
from aisle.schema import Event

GOOD = {"type": "view", "user_id": "u", "item_id": "i", "timestamp": "2011-12-09T12:50:00Z"}

texts = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", " ", " a ", "\x1f", "a\x1fb", "x" * 256, "x" * 257, "ü" * 200, "17850", "NaN", "\u2003a"]),
)
numbers_as_text = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.sampled_from(["", " 6 ", "6.0", "+6", "1.", ".5", "-0", "007", "1e3", "1,5", "six", "\u0661"]),
)
whole_numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-5, 2_000_000), st.none())
floats = st.one_of(st.floats(), st.floats(-5, 1e7), st.integers(-5, 2_000_000).map(float), st.none())
moments = st.one_of(
    st.datetimes(),
    st.datetimes(dt.datetime(1969, 1, 1), dt.datetime(1971, 1, 1)),
    st.none(),
)
numeric_times = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(10**14), 10**14),
    st.integers(10**11 - 3, 10**11 + 3),
    st.none(),
)
float_times = st.one_of(st.floats(), st.floats(-1e14, 1e14), st.floats(1.3e9, 1.4e9), st.none())
offsets = st.sampled_from(["", "Z", "z", "+01:00", "-23:59", "+24:00", "+0100", "+01", " Z", "+00:00:30"])
time_texts = st.one_of(
    st.builds(
        lambda moment, separator, zone, cut: moment.isoformat(separator)[:cut] + zone,
        st.datetimes(),
        st.sampled_from(["T", " ", "t"]),
        offsets,
        st.sampled_from([10, 13, 16, 19, 21, 23, 26]),
    ),
    st.sampled_from(
        [
            "2011-12-09", "20111209", "20111209T125000Z", "2011-W50-5", "0000-01-01T00:00:00", "2011-02-30T00:00:00",
            "2011-12-09T24:00:00", "2016-12-31T23:59:60Z", "2011-12-09T12:50:00.1234567Z", "2011-12-09T12:50:00,5",
            "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59.999-05:00", "1322697600", "1322697600.5", "now", "",
            "2011-12-09T12:50.5", "1322697600123", "-1", "1e400",
        ]
    ),
    st.none(),
)  # fmt: skip

#: For each field columns of several types, each with what its cells may be.
COLUMNS: dict[str, list[tuple[Any, st.SearchStrategy[Any]]]] = {
    "type": [
        (pl.String, st.one_of(st.sampled_from(["view", "purchase", "View", " view", "my_own2", "", "x" * 65]), texts))
    ],
    "timestamp": [
        (pl.String, time_texts),
        (pl.Int64, numeric_times),
        (pl.Float64, float_times),
        (pl.Datetime("us"), moments),
        (pl.Datetime("ns", "UTC"), st.integers(-(2**62), 2**62)),
        (pl.Datetime("ms", "Europe/Paris"), st.integers(-(2**50), 2**50)),
        (pl.Date, st.one_of(st.dates(), st.none())),
    ],
    "items": [
        (pl.List(pl.String), st.one_of(st.none(), st.lists(st.one_of(st.just("a"), texts, st.none()), max_size=4))),
        (pl.List(pl.Int64), st.one_of(st.none(), st.lists(st.integers(0, 99), max_size=4))),
        (pl.String, st.sampled_from(["", '["a","b"]', "a|b", "a", "[1", '["a"', "[]"])),
    ],
    "position": [
        (pl.Int64, whole_numbers), (pl.Float64, floats), (pl.String, numbers_as_text), (pl.UInt8, st.integers(0, 255)),
    ],
    "context": [
        (pl.String, st.sampled_from(["", "{}", '{"b":1,"a":[2]}', "[1]", "{", '{"a":1e999}'])),
        (pl.Struct({"a": pl.Int64}), st.one_of(st.none(), st.fixed_dictionaries({"a": st.integers(0, 9)}))),
    ],
}  # fmt: skip
for name in ("user_id", "session_id", "item_id", "event_id", "order_id", "request_id", "placement"):
    COLUMNS[name] = [
        (pl.String, st.one_of(texts, st.none())),
        (pl.Int64, whole_numbers),
        (pl.Float64, floats),
        (pl.Boolean, st.one_of(st.booleans(), st.none())),
        (pl.Categorical, st.sampled_from(["a", " b", ""])),
    ]
for name in ("value", "quantity", "price"):
    COLUMNS[name] = [
        (pl.Float64, floats),
        (pl.Int64, whole_numbers),
        (pl.String, numbers_as_text),
        (pl.Boolean, st.one_of(st.booleans(), st.none())),
        (pl.Decimal(12, 2), st.one_of(st.none(), st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents) / 100))),
    ]


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Events most of which are good: a few columns are drawn, the others are as they should be."""
    num_rows = draw(st.integers(1, 4))
    columns = {name: pl.Series([value] * num_rows, dtype=pl.String) for name, value in GOOD.items()}
    for name in draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3, unique=True)):
        dtype, cells = draw(st.sampled_from(COLUMNS[name]))
        values = draw(st.lists(cells, min_size=num_rows, max_size=num_rows))
        if isinstance(dtype, pl.Datetime) and any(isinstance(value, int) for value in values):
            columns[name] = pl.Series(values, dtype=pl.Int64).cast(dtype)
        else:
            columns[name] = pl.Series(values, dtype=dtype, strict=False)
        if name == "items" and draw(st.booleans()):
            columns.pop("item_id", None)
    return pl.DataFrame(columns)


def one_by_one(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejected], int]:
    """Every row through the record alone: the fast way is told that nothing is plainly right."""
    checked: list[CheckedRow | Rejected] = []
    for line in range(len(frame)):
        # A frame of one row whose type is spelt oddly goes the slow way.
        row = frame[line : line + 1]
        values = {name: row[name][0] if not isinstance(row.schema[name], pl.Datetime) else None for name in row.columns}
        dtype = row.schema["timestamp"]
        if isinstance(dtype, pl.Datetime):
            physical = row["timestamp"].to_physical()[0]
            unit = {"ms": 1, "us": 1000, "ns": 1_000_000}[dtype.time_unit]
            if physical is not None:
                moment: Any = physical // unit
                try:
                    zone = dt.UTC if dtype.time_zone else None
                    moment = dt.datetime(1970, 1, 1, tzinfo=zone) + dt.timedelta(milliseconds=moment)
                except OverflowError:
                    moment = "out of the calendar"
                values["timestamp"] = moment
        values = {name: value.to_list() if isinstance(value, pl.Series) else value for name, value in values.items()}
        checked.append(check_row("events", line + 1, values, None))
    return collect_events(checked)


@settings(max_examples=300, deadline=None)
@given(frames())
def test_the_fast_way_agrees_with_the_record(frame: pl.DataFrame) -> None:
    fast = check_frame(
        frame, list(range(1, len(frame) + 1)), FieldMap("events"), {name: name for name in frame.columns}
    )
    slow_frame, slow_rejected, slow_naive = one_by_one(frame)
    assert fast.frame.schema == CHECKED_FRAME
    assert fast.frame.to_dicts() == slow_frame.to_dicts()
    assert [(bad.line, bad.reason) for bad in fast.rejected] == [(bad.line, bad.reason) for bad in slow_rejected]
    assert fast.num_naive_times == slow_naive


@settings(max_examples=200, deadline=None)
@given(frames())
def test_files_and_live_events_get_the_same_ids(frame: pl.DataFrame) -> None:
    checked = check_frame(
        frame, list(range(len(frame))), FieldMap("events"), {name: name for name in frame.columns}
    ).frame
    checked = checked.with_columns(event_id=pl.lit(None, pl.String))
    times, digests = checked["timestamp_ms"].to_numpy(), content_digests(checked)
    seen: Counter[tuple[int, int]] = Counter()
    occurrences = []
    for key in zip(times.tolist(), digests.tolist(), strict=True):
        occurrences.append(seen[key])
        seen[key] += 1
    derived = derived_ids(times, digests, np.array(occurrences, dtype=np.int64))
    assert derived == event_ids([check_live(row) for row in checked.to_dicts()])


def check_live(row: dict[str, Any]) -> Event:
    """The event that a browser would have sent for a checked row."""
    items = row.pop("items").split("\x1e")
    row.pop("line")
    context = row.pop("context")
    return Event.model_construct(
        **row,
        timestamp=row["timestamp_ms"],
        item_id=items[0] if len(items) == 1 else None,
        items=None if len(items) == 1 else items,
        context=None if context is None else orjson.loads(context),
    )


@pytest.mark.parametrize(
    "times",
    [
        ["2011-12-09T12:50:00Z", "2011-12-09 12:50:00.5+01:00", "2011-12-09T12:50"],
        [1322697600, 1322697600123, -5],
        [1322697600.25, 0.0, 1e12],
        [dt.datetime(2011, 12, 9, 12, 50)] * 3,
        [dt.datetime(2011, 12, 9, 12, 50, tzinfo=dt.UTC)] * 3,
        [dt.date(2011, 12, 9)] * 3,
    ],
)
def test_usual_rows_go_the_fast_way(times: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a usual row went the slow way")

    monkeypatch.setattr("aisle.ingest.event_checks.check_row", refuse)
    frame = pl.DataFrame(
        {
            "type": ["view", "purchase", "my_own"],
            "user_id": [17850, 1, 2],
            "session_id": [" s ", "", None],
            "items": [["a"], ["a", "b"], ["ü"]],
            "timestamp": times,
            "quantity": [1.5, None, float("nan")],
            "price": ["2.55", "", "0"],
            "value": [1, -2, None],
            "position": [0, 1, None],
            "order_id": [1.0, 2.0, float("nan")],
        }
    )
    checked = check_frame(frame, [1, 2, 3], FieldMap("events"), {name: name for name in frame.columns})
    assert len(checked.frame) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": ""}, "type: missing"),
        ({"type": "Bad Type"}, "type: not of the expected form"),
        ({"item_id": None}, "expected exactly one of item_id and items"),
        ({"user_id": ""}, "expected user_id or session_id, received neither"),
        ({"timestamp": None}, "timestamp: missing"),
        ({"timestamp": "yesterday"}, "timestamp: not a time"),
        ({"quantity": -1.0}, "quantity: too small"),
        ({"price": float("inf")}, "price: not finite"),
        ({"price": "cheap"}, "price: not a number"),
        ({"position": "1.5"}, "position: not a whole number"),
        ({"context": "{"}, "context: not JSON"),
        ({"context": "[1]"}, "context: not a map"),
        ({"item_id": "x" * 257}, "item_id: too long"),
        ({"item_id": "a\x00b"}, "item_id: not of the expected form"),
    ],
)
def test_reasons_are_few_words_without_values(change: dict[str, Any], reason: str) -> None:
    fields = GOOD | change
    found = check_row("events", 7, fields, {"a": 1})
    assert isinstance(found, Rejected)
    assert (found.line, found.reason, found.row) == (7, reason, {"a": 1})
    frame = pl.DataFrame({name: [value] for name, value in fields.items()})
    (bad,) = check_frame(frame, [7], FieldMap("events"), {name: name for name in fields}).rejected
    assert bad.reason == reason


def test_constants_and_order() -> None:
    frame = pl.DataFrame({"who": ["a", "b", "c"], "what": ["1", "2", "3"], "when": ["2011-12-09", "20111209", "bad"]})
    mapping = FieldMap("events", {"user_id": "who"}, {"type": "purchase"})
    checked = check_frame(frame, [2, 3, 4], mapping, {"user_id": "who", "item_id": "what", "timestamp": "when"})
    assert checked.frame["line"].to_list() == [2, 3]
    assert checked.frame["type"].to_list() == ["purchase"] * 2
    assert checked.frame["timestamp_ms"].to_list() == [1323388800000] * 2
    assert checked.num_naive_times == 2
    assert [bad.row for bad in checked.rejected] == [{"who": "c", "what": "3", "when": "bad"}]
