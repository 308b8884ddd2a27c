"""Ten thousand calls that are almost right: none is a fault of the server, none hangs, none is half written."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import orjson
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from aisle.serve import create_app
from tests.fuzz.malformed import MAX_SECONDS, PART, as_bytes, damage, damaged, edited, edits, runs
from tests.shops import NO_HASTE

NUM_CALLS = 10_000

EVENT = {
    "event_id": "e1", "type": "purchase", "user_id": "u1", "session_id": "s1", "item_id": "item-1", "value": 1.5,
    "timestamp": "2024-05-01T10:00:00Z", "quantity": 2, "price": 3.5, "order_id": "o1", "request_id": "r1",
    "position": 0, "placement": "for-you", "context": {"device": "phone", "sizes": [1, 2]},
}  # fmt: skip
SEEN = {"type": "impression", "session_id": "s1", "items": ["item-1", "item-2"], "timestamp": 1714557600000}
ITEM = {
    "item_id": "new-1", "parent_id": "p1", "title": "Tea", "description": "Green", "category": ["Drinks", "Tea"],
    "brand": "B", "price": 4.5, "currency": "EUR", "available": True, "image_url": "https://shop.example/tea.png",
    "created_at": "2024-05-01T10:00:00Z", "attributes": {"colour": ["green"], "grams": 100},
}  # fmt: skip
QUESTION = {
    "placement": "for-you", "user_id": "u1", "session_id": "s1", "items": ["item-1"], "limit": 10,
    "filter": {"category": ["Tea"], "brand": ["B"], "price": {"min": 1, "max": 9}, "available": True,
               "attributes": {"colour": ["red", 1, True]}},
    "exclude": ["item-2"], "context": {"page": "home"}, "explain": True, "repeat": "exclude",
}  # fmt: skip
PLAIN = {"placement": "similar-items", "items": ["item-1"]}
BODIES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/events", {"events": [EVENT, SEEN]}),
    ("POST", "/v1/events", {"events": [SEEN]}),
    ("POST", "/v1/items", {"items": [ITEM, {"item_id": "new-2"}]}),
    ("PUT", "/v1/items/{}", {key: value for key, value in ITEM.items() if key != "item_id"}),
    ("PUT", "/v1/users/{}", {"attributes": {"country": "GB"}}),
    ("POST", "/v1/recommendations", QUESTION),
    ("POST", "/v1/recommendations", PLAIN),
    ("POST", "/v1/models/{}:activate", None),
]
READS = [
    "/v1/items/{}", "/v1/users/{}", "/v1/users/{}/events?limit={}", "/v1/users?limit={}", "/v1/items?limit={}&query={}",
    "/v1/report?since={}&until={}", "/v1/models", "/healthz", "/readyz", "/metrics", "/{}", "/openapi.json", "/docs",
]  # fmt: skip
ids = st.sampled_from([
    "u1", "item-1", "new-1", "", ".", "..", "../..", "%", "%2F", "%252F", "a/b", "a%2Fb", "%00", "%zz", "%ff",
    "%ED%A0%80", "null", "-1", "0", "1e9", "99999999999999999999", "nan", "2024-05-01", "x" * 3000, "events",
    ":activate", "é", "🛒",
]) | st.text(max_size=10)  # fmt: skip
TYPES = [
    b"application/json",
    b"application/json",
    b"application/json",
    b"text/plain",
    b"",
    b"multipart/form-data",
    b"\xff",
]


@dataclass(frozen=True)
class Call:
    """One request as a server hands it to the app."""

    method: str
    target: str
    content_type: bytes
    body: bytes


def _target(template: str, values: list[str]) -> str:
    pieces = template.split("{}")
    filled = pieces[0] + "".join(value + piece for value, piece in zip(values, pieces[1:], strict=False))
    return quote(filled, safe="/%?&=:.-_~", errors="replace")


def _with_body(made: tuple[str, str, Any], values: list[str], changes: Any, harm: Any, content_type: bytes) -> Call:
    method, template, document = made
    return Call(method, _target(template, values), content_type, damaged(as_bytes(edited(document, changes)), *harm))


values = st.lists(ids, min_size=2, max_size=2)
calls = st.one_of(
    *[st.builds(_with_body, st.sampled_from(BODIES), values, edits, damage, st.sampled_from(TYPES))] * 3,
    st.builds(
        lambda method, template, chosen: Call(method, _target(template, chosen), b"application/json", b""),
        st.sampled_from(["GET", "GET", "GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "POST"]),
        st.sampled_from(READS),
        values,
    ),
)


class Shop:
    """The app, called as a server calls it."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self.app = app
        self.store = app.state.service.store
        self._runner = runner
        self.statuses: Counter[int] = Counter()

    def answer(self, call: Call) -> tuple[int, bytes]:
        """Status and content; an exception that leaves the app is one of the server's faults."""
        sent: list[dict[str, Any]] = []
        path, _, query = call.target.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": call.method, "scheme": "http",
            "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), (b"content-type", call.content_type)],
            "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        received = [{"type": "http.request", "body": call.body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return received.pop() if received else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        self._runner.run(asyncio.wait_for(self.app(scope, receive, send), MAX_SECONDS))  # type: ignore[arg-type]
        status = sent[0]["status"]
        self.statuses[status] += 1
        return status, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def shop(trained_shop: Path, tmp_path: Path) -> Iterator[Shop]:
    directory = shutil.copytree(trained_shop, tmp_path / "fuzzed")
    # A budget of time is no part of what is tested, and nobody who fuzzes is slowed down.
    (directory / "aisle.yaml").write_text(NO_HASTE)
    app = create_app(directory)
    with asyncio.Runner() as runner, closing(app.state.service):
        yield Shop(app, runner)


def test_no_call_is_a_fault_of_the_server(shop: Shop) -> None:
    @runs(NUM_CALLS)
    @given(calls)
    def check(call: Call) -> None:
        before = shop.store.last_seq()
        started = time.monotonic()
        status, content = shop.answer(call)
        assert status < 500, (status, content)
        assert time.monotonic() - started < MAX_SECONDS
        added = shop.store.last_seq() - before
        if status == 202:
            accepted = orjson.loads(content)["accepted"]
            assert (added >= accepted) if accepted else (added == 0), "a row for each item of each accepted event"
        elif call.method != "DELETE":
            assert added == 0, "what is refused is not written"
        if status == 422:
            assert orjson.loads(content)["detail"], "a refusal says why"

    check()
    assert shop.statuses[200] + shop.statuses[202] > NUM_CALLS * PART * 0.2, "enough calls reach their handlers"
    assert shop.statuses[422] > NUM_CALLS * PART * 0.2, "enough calls are wrong"
    status, content = shop.answer(Call("POST", "/v1/recommendations", b"application/json", as_bytes(PLAIN)))
    assert status == 200 and orjson.loads(content)["degraded"] == []
