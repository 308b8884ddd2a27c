"""The log names calls by their route and errors by their kind, and nobody by anything."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from aisle.errors import BackendUnavailableError
from aisle.serve import logs
from aisle.serve.logs import CALL_ID, configure_logs, kinds_of, log_call
from tests.serve.conftest import service_of
from tests.serve.test_access import ADMIN, WRITE, bearer

PRIVATE = "zyxann@example.org"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged; the loggers are as they were afterwards."""
    root, calls = logging.getLogger(), logging.getLogger("aisle.calls")
    before = (root.handlers[:], root.level, calls.level)
    root.handlers = []  # so that those of the tests themselves are not closed
    yield io.StringIO()
    root.handlers, level, calls_level = before
    root.setLevel(level)
    calls.setLevel(calls_level)


def lines_of(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_line_per_call(start: Callable[..., TestClient], log: io.StringIO) -> None:
    configure_logs("json", log)
    client = start()
    answer = client.put("/v1/items/tea%2Fgreen", json={})
    client.request("BREW", "/v1/items/tea")
    first, second = lines_of(log)
    assert first.pop("time").endswith("Z")
    assert 0 < first.pop("milliseconds") < 60_000
    assert first == {
        "level": "INFO",
        "logger": "aisle.calls",
        "message": "call",
        "method": "PUT",
        "route": "/v1/items/{item_id}",
        "status": 200,
        "worker": int(answer.headers["x-aisle-worker"]),
        "request_id": answer.headers["x-request-id"],
    }
    assert (second["method"], second["status"]) == ("other", 405)


def test_the_same_as_text_and_nothing_by_default(start: Callable[..., TestClient], log: io.StringIO) -> None:
    configure_logs("text", log)
    client = start()
    answer = client.get("/healthz")
    (line,) = log.getvalue().splitlines()
    assert " INFO aisle.calls: GET /healthz 200 " in line
    assert line.endswith(f" ms [{answer.headers['x-request-id']}]")
    configure_logs(None, log)
    client.get("/healthz")
    assert len(log.getvalue().splitlines()) == 1, "calls are not logged unless that was asked for"


def make_every_kind_of_call(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Calls of all kinds that carry PRIVATE wherever a call can carry something; gives the statuses."""
    admin, path = bearer(ADMIN), f"/v1/users/{PRIVATE}"
    event = {"type": "view", "user_id": PRIVATE, "item_id": PRIVATE, "context": {"email": PRIVATE}}
    question = {"placement": "popular", "user_id": PRIVATE, "session_id": PRIVATE, "exclude": [PRIVATE]}
    calls: list[tuple[str, str, Any]] = [
        ("PUT", path, {"attributes": {"name": PRIVATE}}),
        ("POST", "/v1/events", {"events": [event, {"type": PRIVATE}, PRIVATE]}),
        ("POST", "/v1/events", {PRIVATE: []}),
        ("POST", "/v1/recommendations", question),
        ("POST", "/v1/recommendations", {**question, "placement": PRIVATE}),
        ("POST", "/v1/items", {"items": [{"item_id": PRIVATE}]}),
        ("PUT", f"/v1/items/{PRIVATE}", {"item_id": f"other {PRIVATE}"}),
        ("GET", f"/v1/items/{PRIVATE}", None),
        ("GET", f"/v1/items/unknown-{PRIVATE}", None),
        ("GET", f"{path}/events?limit={PRIVATE}", None),
        ("GET", f"/{PRIVATE}?q={PRIVATE}", None),
        ("POST", f"/v1/models/{PRIVATE}:activate", None),
        ("GET", f"/v1/report?since={PRIVATE}", None),
        ("DELETE", path, None),
        (PRIVATE.partition("@")[0].upper(), path, None),
    ]
    statuses = {client.request(method, to, json=body, headers=admin).status_code for method, to, body in calls}
    statuses.add(client.get(path, headers=bearer(PRIVATE)).status_code)
    statuses.add(client.get(f"{path}?key={WRITE}").status_code)
    statuses.add(client.post("/v1/events", json={}, headers={**admin, "origin": f"https://{PRIVATE}"}).status_code)
    statuses.add(client.post("/v1/events", content=PRIVATE, headers=admin).status_code)

    def unexpected(*arguments: Any) -> None:
        raise KeyError(PRIVATE)

    def unavailable(*arguments: Any) -> None:
        raise BackendUnavailableError(f"no place for {PRIVATE}") from sqlite3.OperationalError(PRIVATE)

    monkeypatch.setattr(service_of(client).store, "get_user", unexpected)
    statuses.add(client.get(path, headers=admin).status_code)
    monkeypatch.setattr(service_of(client).store, "get_user", unavailable)
    statuses.add(client.get(path, headers=admin).status_code)
    monkeypatch.setattr(service_of(client).recommender, "recommend", unexpected)
    statuses.add(client.post("/v1/recommendations", json=question, headers=admin).status_code)
    return statuses


@pytest.mark.parametrize("log_format", ["json", "text", None])
def test_no_line_of_a_whole_session_names_anybody(
    start: Callable[..., TestClient], log: io.StringIO, monkeypatch: pytest.MonkeyPatch, log_format: Any
) -> None:
    configure_logs(log_format, log)
    client = start(f"server: {{admin_key: {ADMIN}, write_key: {WRITE}}}")
    statuses = make_every_kind_of_call(client, monkeypatch)
    assert {200, 202, 401, 403, 404, 405, 422, 500, 503} <= statuses
    text = log.getvalue()
    for secret in (PRIVATE, "zyxann", "example.org", ADMIN, WRITE, "testclient"):
        assert secret.lower() not in text.lower()
    assert "KeyError" in text and "BackendUnavailableError" in text, "errors are in it, by their kinds"
    assert "unexpected" in text, "and by their places"
    if log_format == "json":
        lines = lines_of(log)
        assert len([line for line in lines if line["message"] == "call"]) == 22
        failed = [line for line in lines if line["level"] == "ERROR"]
        assert [line["message"] for line in failed] == [
            "/v1/users/{user_id} failed",
            "/v1/users/{user_id} failed",
            "/v1/recommendations failed",
        ]
        assert failed[1]["error"]["kinds"] == ["BackendUnavailableError", "OperationalError"]
        assert {line["request_id"] for line in failed} <= {
            line["request_id"] for line in lines if line.get("status") in (500, 503)
        }


def test_what_other_libraries_fill_in_is_left_out(log: io.StringIO) -> None:
    configure_logs("json", log)
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=%s>", PRIVATE)
    logging.getLogger("sqlalchemy.pool").warning("lost %s", PRIVATE)
    assert [line["message"] for line in lines_of(log)] == ["Task exception was never retrieved", "lost %s"]


def test_an_error_is_named_by_its_kinds_and_sqlites_own_name() -> None:
    with pytest.raises(sqlite3.IntegrityError) as caught, sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE t (a NOT NULL)")
        database.execute("INSERT INTO t VALUES (NULL)")
    outer = RuntimeError("outer")
    outer.__cause__ = caught.value
    assert kinds_of(outer) == ["RuntimeError", "IntegrityError (SQLITE_CONSTRAINT_NOTNULL)"]
    database.close()


def test_a_call_of_no_request_has_no_id(log: io.StringIO) -> None:
    configure_logs("json", log)
    assert CALL_ID.get() is None
    log_call("GET", "/healthz", 200, 0.0015)
    (line,) = lines_of(log)
    assert "request_id" not in line
    assert line["milliseconds"] == 1.5
    assert logs.CALL_ID is CALL_ID
