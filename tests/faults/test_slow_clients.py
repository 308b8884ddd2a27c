"""Clients that send a byte at a time, or stop reading: others are served meanwhile, and memory stays flat."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import Server

#: More of each kind than a worker has threads.
NUM_CLIENTS = 60
SECONDS = 2.0
MIB = 2**20
BODY_BYTES = 4 * MIB


@pytest.fixture
def server(trained_copy: Path, serve: Callable[..., Server]) -> Server:
    return serve(trained_copy)


@pytest.fixture
def sockets(server: Server) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((server.host, server.port))) for _ in range(NUM_CLIENTS)]


def resident_bytes(server: Server) -> int:
    fields = Path(f"/proc/{server.process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def served_meanwhile(server: Server, disturb: Callable[[], None]) -> int:
    """How many questions are answered, each within two seconds, while the others misbehave."""
    until, num_answers = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        disturb()
        started = time.monotonic()
        status, answer, _ = server.call("POST", "/v1/recommendations", {"placement": "for-you", "user_id": "u1"})
        assert (status, len(answer["items"])) == (200, 10)
        assert time.monotonic() - started < 2
        num_answers += 1
    return num_answers


def test_bodies_that_come_a_byte_at_a_time(server: Server, sockets: list[socket.socket]) -> None:
    served_meanwhile(server, lambda: None)
    before = resident_bytes(server)
    for one in sockets:
        one.sendall(
            b"POST /v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            + f"content-length: {BODY_BYTES}\r\n\r\n".encode()
            + b'{"events": [],'
        )

    def send_a_byte() -> None:
        for one in sockets:
            one.sendall(b" ")

    assert served_meanwhile(server, send_a_byte) > 10
    assert resident_bytes(server) - before < 20 * MIB, "room is made for what came, not for what was announced"


def test_answers_that_nobody_reads(server: Server, sockets: list[socket.socket]) -> None:
    served_meanwhile(server, lambda: None)
    before = resident_bytes(server)
    question = b'{"placement": "popular", "limit": 100, "explain": true}'
    head = f"POST /v1/recommendations HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(question)}\r\n".encode()
    many = (head + b"content-type: application/json\r\n\r\n" + question) * 20
    for one in sockets:
        one.setblocking(False)

    def ask_for_more() -> None:
        for one in sockets[:5]:
            try:
                one.send(many)
            except BlockingIOError:
                continue  # the server reads no more before its answers are read

    assert served_meanwhile(server, ask_for_more) > 3
    assert resident_bytes(server) - before < 60 * MIB
