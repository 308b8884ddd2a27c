"""Times as records carry them: RFC 3339 text or Unix numbers in, whole milliseconds since 1970 (UTC) out."""

from __future__ import annotations

import datetime as dt
import math
import re

DAY_MS = 86_400_000
#: Unix numbers at or above this are milliseconds, below it seconds (1e11 s is the year 5138).
MILLISECONDS_FROM = 1e11
MIN_MS = -62_135_596_800_000  # year 1
MAX_MS = 253_402_300_799_999  # year 9999

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: A Unix number as text. Eight digits alone are a date without dashes (20111209), not a number.
_NUMBER = re.compile(r"(?![0-9]{8}$)[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_EXPECTED = "expected RFC 3339 text (2011-12-09T12:50:00Z) or Unix seconds or milliseconds"


def parse_timestamp_ms(value: object) -> int:
    """Read one timestamp.

    Args:
        value: RFC 3339 (or ISO 8601) text, Unix seconds or milliseconds as a number or as text, a ``datetime`` or a
            ``date`` (its midnight). A time without a zone is UTC.

    Returns:
        Milliseconds since 1970-01-01T00:00:00Z; parts of a millisecond are cut off a calendar time and rounded in a
        number.

    Raises:
        ValueError: it is none of these, or lies outside the years 1 to 9999.
    """
    if isinstance(value, str):
        value = _number_or_moment(value)
    if isinstance(value, dt.datetime):
        milliseconds = _datetime_ms(value)
    elif isinstance(value, dt.date):
        milliseconds = _datetime_ms(dt.datetime.combine(value, dt.time()))
    elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{_EXPECTED}, received {_short(value)}")
    else:
        milliseconds = round(value) if abs(value) >= MILLISECONDS_FROM else round(value * 1000)
    if not MIN_MS <= milliseconds <= MAX_MS:
        raise ValueError(f"expected a time in the years 1 to 9999, received {_short(value)}")
    return milliseconds


def has_zone(value: object) -> bool:
    """Whether a timestamp says its zone: text without one, dates and naive datetimes do not, Unix numbers do."""
    if isinstance(value, str):
        try:
            value = _number_or_moment(value)
        except ValueError:
            return True
    if isinstance(value, dt.datetime):
        return value.tzinfo is not None
    return not isinstance(value, dt.date)


def format_timestamp(milliseconds: int) -> str:
    """RFC 3339 text in UTC, with milliseconds only where there are some."""
    moment = _EPOCH + dt.timedelta(milliseconds=milliseconds)
    timespec = "seconds" if milliseconds % 1000 == 0 else "milliseconds"
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def _number_or_moment(text: str) -> float | int | dt.datetime:
    text = text.strip()
    number = _NUMBER.fullmatch(text)
    if number is not None:
        return float(text) if number[1] or number[2] else int(text)
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{_EXPECTED}, received {_short(text)}") from None


def _datetime_ms(moment: dt.datetime) -> int:
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    try:
        delta = moment - _EPOCH
    except OverflowError:  # a zone that moves the first or the last day of all out of the calendar
        return MAX_MS + 1
    return delta.days * DAY_MS + delta.seconds * 1000 + delta.microseconds // 1000


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
