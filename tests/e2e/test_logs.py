"""What whole processes write to standard error: lines of JSON from every worker, and nobody's name."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import WAIT_SECONDS, Server

PRIVATE = "zyxann"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_each_call_is_a_line_that_names_nobody(directory: Path, serve: Callable[..., Server], workers: str) -> None:
    server = serve(directory, "--workers", workers, "--log-format", "json")
    event = {"type": "view", "user_id": PRIVATE, "item_id": "tea"}
    expected = {
        server.call("POST", "/v1/events", {"events": [event]})[2],
        server.call("GET", f"/v1/users/{PRIVATE}/events")[2],
        server.call("GET", f"/{PRIVATE}")[2],
        server.call("POST", "/v1/recommendations", {"placement": PRIVATE})[2],
    }
    server.process.send_signal(signal.SIGTERM)
    _, errors = server.process.communicate(timeout=WAIT_SECONDS)
    assert PRIVATE not in errors
    assert "127.0.0.1" not in errors, "no address"
    calls = [line for line in map(json.loads, errors.splitlines()) if line["message"] == "call"]
    told = [(line["method"], line["route"], line["status"]) for line in calls if line["route"] != "/healthz"]
    assert told == [
        ("POST", "/v1/events", 202),
        ("GET", "/v1/users/{user_id}/events", 200),
        ("GET", "unmatched", 404),
        ("POST", "/v1/recommendations", 422),
    ]
    assert {str(line["worker"]) for line in calls if line["route"] != "/healthz"} == expected
