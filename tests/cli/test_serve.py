"""aisle serve: what it refuses, each as one clear error, before any process is started."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest

from aisle.cli.entry import run
from aisle.workspace import Workspace


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that fails."""
    assert run(list(arguments)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Workspace.create(tmp_path / "shop").directory


def test_a_taken_port(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        line = refusal(capsys, "-C", str(directory), "serve", "--port", str(port))
    remedy = f"stop it, or choose another: --port {port + 1}"
    assert line == f"Error: port {port} on 127.0.0.1 is taken by another process; {remedy}"


def test_another_host_without_keys(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "-C", str(directory), "serve", "--host", "0.0.0.0", "--port", "0")
    assert "loopback only" in line and "server.admin_key" in line


def test_a_host_that_is_not_here(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "aisle.yaml").write_text("server: {admin_key: a-long-secret}")
    assert "cannot listen on 192.0.2.1" in refusal(capsys, "-C", str(directory), "serve", "--host", "192.0.2.1")


def test_no_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "aisle init" in refusal(capsys, "-C", str(tmp_path), "serve")


def test_a_misspelt_setting(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "aisle.yaml").write_text("server: {admin_kye: a-long-secret}")
    assert "did you mean 'admin_key'" in refusal(capsys, "-C", str(directory), "serve")


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--port", "70000"], ["--threads", "2"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", *arguments]) == 2
    assert capsys.readouterr().err.startswith("Usage: ")
