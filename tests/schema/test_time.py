"""Timestamps: every form that is read, and none that is not."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.schema import format_timestamp, has_zone, parse_timestamp_ms
from aisle.schema.time import MAX_MS, MIN_MS

NOON = 1323435000000  # 2011-12-09T12:50:00Z


@pytest.mark.parametrize(
    ("value", "milliseconds", "zone"),
    [
        ("2011-12-09T12:50:00Z", NOON, True),
        ("2011-12-09 12:50", NOON, False),
        ("2011-12-09T13:50:00+01:00", NOON, True),
        ("2011-12-09T12:50:00.1239Z", NOON + 123, True),
        (" 2011-12-09T12:50:00Z ", NOON, True),
        ("2011-12-09", NOON - 46_200_000, False),
        ("20111209", NOON - 46_200_000, False),
        ("1323435000", NOON, True),
        ("1323435000.5", NOON + 500, True),
        ("1323435000123", NOON + 123, True),
        ("86400", 86_400_000, True),
        ("-1", -1000, True),
        ("+5", 5000, True),
        ("1e3", 1_000_000, True),
        (1323435000, NOON, True),
        (1323435000.0006, NOON + 1, True),
        (1323435000123, NOON + 123, True),
        (99_999_999_999, 99_999_999_999_000, True),
        (100_000_000_000, 100_000_000_000, True),
        (-100_000_000_000, -100_000_000_000, True),
        (dt.datetime(2011, 12, 9, 12, 50), NOON, False),
        (dt.datetime(2011, 12, 9, 12, 50, tzinfo=dt.UTC), NOON, True),
        (dt.datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=dt.UTC), -1, True),
        (dt.date(2011, 12, 9), NOON - 46_200_000, False),
    ],
)
def test_known_forms(value: object, milliseconds: int, zone: bool) -> None:
    assert parse_timestamp_ms(value) == milliseconds
    assert has_zone(value) is zone


@pytest.mark.parametrize(
    "value",
    [
        "", "soon", "99999999", "1_000_000_000", "\u0662\u0660\u0661\u0661", "2011-13-01", "2011-12-09T25:00Z", "nan",
        "inf", "0x10", "1e999", "9" * 21, float("nan"), float("inf"), True, None, [], 10**15, -(10**14),
        "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    ],
)  # fmt: skip
def test_other_forms_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"expected (RFC 3339|a time in the years)") as error:
        parse_timestamp_ms(value)
    assert len(str(error.value)) < 200


@settings(deadline=None)
@given(st.integers(MIN_MS, MAX_MS))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    text = format_timestamp(milliseconds)
    assert parse_timestamp_ms(text) == milliseconds
    assert has_zone(text)


@settings(deadline=None)
@given(
    st.one_of(st.text(), st.floats(), st.integers(), st.datetimes(timezones=st.timezones()), st.none(), st.booleans())
)
def test_a_value_is_a_time_or_a_value_error(value: object) -> None:
    try:
        milliseconds = parse_timestamp_ms(value)
    except ValueError:
        return
    assert MIN_MS <= milliseconds <= MAX_MS
    assert has_zone(value) in (True, False)
