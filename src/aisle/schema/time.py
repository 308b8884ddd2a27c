"""Times as records carry them: RFC 3339 text or Unix numbers in, whole milliseconds since 1970 (UTC) out."""

from __future__ import annotations

import datetime as dt
import math

DAY_MS = 86_400_000
#: Unix numbers at or above this are milliseconds, below it seconds (1e11 s is the year 5138).
MILLISECONDS_FROM = 1e11
MIN_MS = -62_135_596_800_000  # year 1
MAX_MS = 253_402_300_799_999  # year 9999


def parse_timestamp_ms(value: object) -> int:
    """Read one timestamp.

    Args:
        value: RFC 3339 (or ISO 8601) text, Unix seconds or milliseconds as a number or as text, or a ``datetime``.
            A time without a zone is UTC.

    Returns:
        Milliseconds since 1970-01-01T00:00:00Z.

    Raises:
        ValueError: it is none of these, or lies outside the years 1 to 9999.
    """
    if isinstance(value, dt.datetime):
        return _datetime_ms(value)
    if isinstance(value, str):
        value = _number_or_text(value.strip())
        if isinstance(value, str):
            return _datetime_ms(_parse_iso(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected RFC 3339 text or Unix seconds or milliseconds, received {value!r}")
    milliseconds = round(value) if abs(value) >= MILLISECONDS_FROM else round(value * 1000)
    if not MIN_MS <= milliseconds <= MAX_MS:
        raise ValueError(f"expected a time in the years 1 to 9999, received {value!r}")
    return milliseconds


def has_zone(value: object) -> bool:
    """Whether a timestamp says its zone: text without one and naive datetimes do not, Unix numbers do."""
    if isinstance(value, dt.datetime):
        return value.tzinfo is not None
    if isinstance(value, str):
        number_or_text = _number_or_text(value.strip())
        if isinstance(number_or_text, str):
            try:
                return _parse_iso(number_or_text).tzinfo is not None
            except ValueError:
                return True
    return True


def format_timestamp(milliseconds: int) -> str:
    """RFC 3339 text in UTC, with milliseconds only where there are some."""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)
    timespec = "seconds" if milliseconds % 1000 == 0 else "milliseconds"
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def _number_or_text(text: str) -> float | int | str:
    try:
        return int(text) if len(text) > 8 or text.startswith("-") else text  # "20111209" is a date, not a number
    except ValueError:
        pass
    try:
        return float(text) if text[:10].replace(".", "").isdigit() and "-" not in text else text
    except ValueError:
        return text


def _parse_iso(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"expected RFC 3339 text (2011-12-09T12:50:00Z) or Unix seconds or milliseconds, received {text!r}"
        ) from None


def _datetime_ms(moment: dt.datetime) -> int:
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return delta.days * DAY_MS + delta.seconds * 1000 + delta.microseconds // 1000
