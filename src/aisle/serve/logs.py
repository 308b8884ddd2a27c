"""The server's log, without personal data: which calls came by their route, how they ended, and where errors arose.

No line holds an id, a key, an address or a body. Errors are named by their kinds and places in the code: their messages
may repeat what a visitor sent.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

import orjson

LogFormat = Literal["json", "text"]

#: The id of the call that is being answered; it is the answer's header ``x-request-id``.
CALL_ID: ContextVar[str | None] = ContextVar("aisle_call_id", default=None)

_calls = logging.getLogger("aisle.calls")
#: Their messages are constants and counts; those of others may quote what failed.
_TRUSTED = ("aisle", "uvicorn")
_COMMON_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


def configure_logs(log_format: LogFormat | None, stream: TextIO | None = None) -> None:
    """Let this process log; a second call replaces the first.

    Args:
        log_format: A line per call, as JSON or as text; ``None``: warnings and errors alone, as text.
        stream: Where to; standard error if missing.
    """
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _calls.setLevel(logging.WARNING if log_format is None else logging.INFO)


def log_call(method: str, route: str, status: int, seconds: float) -> None:
    """Note one answered call.

    Args:
        method: Any that HTTP does not know is written as ``other``.
        route: The template of its path, never the path itself.
        status: Of the answer.
        seconds: How long it took.
    """
    if _calls.isEnabledFor(logging.INFO):
        method = method if method in _COMMON_METHODS else "other"
        call = {"method": method, "route": route, "status": status, "milliseconds": round(seconds * 1000, 3)}
        _calls.info("call", extra={"call": call})


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line: dict[str, Any] = {
            "time": _time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _message_of(record),
            **getattr(record, "call", {}),
            "worker": os.getpid(),
        }
        if (call_id := CALL_ID.get()) is not None:
            line["request_id"] = call_id
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = {"kinds": kinds_of(record.exc_info[1]), "at": _places(record.exc_info[2])}
        return orjson.dumps(line).decode()


class TextLines(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        call = getattr(record, "call", None)
        text = _message_of(record)
        if call is not None:
            text = f"{call['method']} {call['route']} {call['status']} {call['milliseconds']:.1f} ms"
        request = f" [{call_id}]" if (call_id := CALL_ID.get()) is not None else ""
        lines = [f"{_time_of(record)} {record.levelname} {record.name}: {text}{request}"]
        if record.exc_info and record.exc_info[1] is not None:
            lines.append("  " + " <- ".join(kinds_of(record.exc_info[1])))
            lines += [f"    {place}" for place in _places(record.exc_info[2])]
        return "\n".join(lines)


def kinds_of(error: BaseException) -> list[str]:
    """The kinds of an error and of what it came from, SQLite's by its own name for them."""
    kinds: list[str] = []
    current: BaseException | None = error
    while current is not None and len(kinds) < 10:
        name = getattr(current, "sqlite_errorname", None)
        kinds.append(type(current).__name__ + (f" ({name})" if name else ""))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return kinds


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]


def _message_of(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] in _TRUSTED:
        return record.getMessage()
    return str(record.msg).partition("\n")[0]  # neither what was filled in, nor what follows


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
