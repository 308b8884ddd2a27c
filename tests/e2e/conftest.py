"""Whole processes: real servers on real workspaces, started and stopped as a user would."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from aisle.workspace import Workspace

#: For what is over in a moment on an idle machine; a busy one takes long.
WAIT_SECONDS = 60


class Server:
    """``aisle serve`` in a process of its own, on a free port."""

    def __init__(self, directory: Path, *options: str, **environment: str) -> None:
        command = [sys.executable, "-m", "aisle", "-C", str(directory), "serve", "--port", "0", *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,  # so that a worker left behind can be ended with its parent
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        if " on http" not in self.greeting:
            _, errors = self.process.communicate(timeout=WAIT_SECONDS)
            raise AssertionError(f"the server did not start: {self.greeting} {errors}")
        self.url = self.greeting.split(" on ", 1)[1].split()[0]
        address = urlsplit(self.url)
        self.host, self.port = str(address.hostname), int(address.port or 0)

    def connect(self, timeout: float = WAIT_SECONDS) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, str]:
        """One call on a connection of its own: status, answer and the worker's name."""
        with closing(self.connect()) as connection:
            return exchange(connection, method, path, body)

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code


def exchange(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any, str]:
    """One call on an open connection."""
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, path, content, {"content-type": "application/json"} if content is not None else {})
    response = connection.getresponse()
    text = response.read()
    worker = response.headers["x-aisle-worker"]
    is_json = response.headers["content-type"] == "application/json"
    return response.status, json.loads(text) if is_json else text.decode(), worker


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Workspace.create(tmp_path / "shop").directory


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers; whatever still runs at the end is stopped."""
    servers: list[Server] = []

    def start(directory: Path, *options: str, **environment: str) -> Server:
        servers.append(Server(directory, *options, **environment))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
