"""aisle serve as a process: its greeting, its end, and what it does not import."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aisle.workspace import Workspace
from tests.e2e.conftest import WAIT_SECONDS, Server
from tests.shops import NO_HASTE


def test_it_greets_with_its_address_and_ends_with_130_when_interrupted(
    directory: Path, serve: Callable[..., Server]
) -> None:
    server = serve(directory)
    assert server.greeting == f"Aisle serves shop on {server.url} (API: {server.url}/docs). Stop it with Ctrl-C.\n"
    assert " · Aisle</title>" in server.call("GET", "/")[1]
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=WAIT_SECONDS) == 130


def test_another_host_with_keys_is_served(directory: Path, serve: Callable[..., Server]) -> None:
    (directory / "aisle.yaml").write_text("server: {admin_key: a-long-secret}")
    server = serve(directory, "--host", "0.0.0.0")
    assert server.call("GET", "/v1/models")[0] == 401


def living(group: int) -> list[str]:
    """The processes of a group that have not ended."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, pgrp, *_ = (directory / "stat").read_text().rpartition(")")[2].split()
            if int(pgrp) == group and state != "Z":
                found.append((directory / "cmdline").read_text())
    return found


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stopping_ends_every_process_and_writes_what_was_served(
    directory: Path, serve: Callable[..., Server], workers: str
) -> None:
    server = serve(directory, "--workers", workers)
    with closing(server.connect()) as connection:
        connection.request(
            "POST", "/v1/recommendations", b'{"placement": "popular"}', {"content-type": "application/json"}
        )
        assert connection.getresponse().status == 200
    assert len(living(server.process.pid)) >= int(workers)
    server.stop()
    # Python's own resource tracker ends a moment after the server, by a closed pipe.
    deadline = time.monotonic() + WAIT_SECONDS
    while living(server.process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert living(server.process.pid) == []
    with pytest.raises(OSError):
        server.call("GET", "/healthz")
    with closing(Workspace.open(directory).open_store()) as store:
        assert store.report(0, store.now_ms() + 1)["popular"]["answers"] == 1


def test_a_request_in_flight_is_answered_before_the_end(directory: Path, serve: Callable[..., Server]) -> None:
    server = serve(directory)
    body = b'{"events": [{"type": "view", "user_id": "u1", "item_id": "a"}]}'
    with closing(server.connect()) as connection:
        connection.putrequest("POST", "/v1/events")
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body[:10])
        server.call("GET", "/healthz")  # the server has taken the connection before this one
        server.process.send_signal(signal.SIGTERM)
        connection.send(body[10:])
        response = connection.getresponse()
        assert response.status == 202
        response.read()
    assert server.stop() in (0, -signal.SIGTERM)


def test_a_body_that_never_ends_is_refused(directory: Path, serve: Callable[..., Server]) -> None:
    (directory / "aisle.yaml").write_text("server: {max_body_bytes: 100000}")
    server = serve(directory)
    with closing(server.connect()) as connection:
        connection.putrequest("POST", "/v1/events")
        connection.putheader("content-type", "application/json")
        connection.putheader("transfer-encoding", "chunked")
        connection.endheaders()
        with contextlib.suppress(OSError):  # closed by the server: it has answered
            for _ in range(1000):
                connection.send(b"400\r\n" + b" " * 1024 + b"\r\n")
        with contextlib.suppress(OSError, http.client.HTTPException):  # the answer may be lost with the connection
            assert connection.getresponse().status == 413
    assert server.call("GET", "/healthz")[0] == 200


SERVED_REQUEST = """
import json, sys
from starlette.testclient import TestClient
from aisle.serve import create_app
with TestClient(create_app(sys.argv[1]), base_url="http://127.0.0.1") as client:
    for call in (
        client.post("/v1/items", json={"items": [{"item_id": "a", "title": "Tea"}]}),
        client.post("/v1/events", json={"events": [{"type": "purchase", "user_id": "u", "item_id": "a"}]}),
        answer := client.post("/v1/recommendations", json={"placement": "for-you", "user_id": "u", "repeat": "allow"}),
        client.get("/v1/report"), metrics := client.get("/metrics"), client.get("/"),
    ):
        assert call.status_code in (200, 202), call.text
print(json.dumps({"modules": sorted(sys.modules), "degraded": answer.json()["degraded"], "metrics": metrics.text}))
"""
#: Whatever else trains, or compares with what trains.
HEAVY = {"torch", "sklearn", "pandas", "implicit", "numba", "matplotlib", "onnx", "onnxscript", "safetensors"}


@pytest.mark.parametrize("is_ranked", [False, True])
def test_a_served_request_imports_no_torch(
    directory: Path, tmp_path: Path, request: pytest.FixtureRequest, is_ranked: bool
) -> None:
    if is_ranked:
        directory = shutil.copytree(request.getfixturevalue("ranked_shop"), tmp_path / "ranked")
        (directory / "aisle.yaml").write_text(NO_HASTE)
    # A torch that can be imported, so that its absence below means that nobody asked for it.
    (tmp_path / "modules" / "torch").mkdir(parents=True)
    (tmp_path / "modules" / "torch" / "__init__.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "modules"), *sys.path])}
    command = [sys.executable, "-W", "ignore", "-c", SERVED_REQUEST, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=60)
    told = json.loads(done.stdout)
    assert "aisle.serve.app" in told["modules"]
    assert not HEAVY & set(told["modules"])
    if is_ranked:
        assert told["degraded"] == []
        assert "aisle_drift_answers 1.0" in told["metrics"], "the ranker gave the order"
    probe = [sys.executable, "-c", "import torch; print(torch.__file__)"]
    found = subprocess.run(probe, capture_output=True, text=True, env=environment, check=True, timeout=60).stdout
    assert found.strip() == str(tmp_path / "modules" / "torch" / "__init__.py")
