"""A steady load over keep-alive connections, each call sent at its own time whether or not others were answered.

A call's latency counts from when it was due, not from when it was sent: a server that stalls is charged for every call
that had to wait meanwhile (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aisle.cli.quantiles import Quantiles

#: What a call's answer is judged by: the status and the value; returns names to count it under, none if all is well.
Judge = Callable[[int, Any], Sequence[str]]
CALL_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Flow:
    """One kind of call at a fixed rate: a POST of each body in turn."""

    name: str
    path: str
    bodies: Sequence[bytes]
    per_second: float
    judge: Judge


@dataclass
class Outcome:
    """What became of one flow."""

    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    by_worker: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Achieved rate, times and problems."""
        return {
            "calls": len(self.latencies_ms),
            "calls_per_second": round(len(self.latencies_ms) / self.seconds, 1),
            **Quantiles.of(self.latencies_ms).as_json(),
            "max_ms": round(max(self.latencies_ms), 3),
            "sent_late_p99_ms": Quantiles.of(self.late_ms).as_json()["p99_ms"],
            "calls_by_worker": sorted(self.by_worker.values()),
            "problems": dict(self.problems),
        }


class Connection:
    """One keep-alive connection, as much of HTTP/1.1 as this server's answers need."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Connect unless connected."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address)

    async def post(self, path: str, body: bytes) -> tuple[int, Any, str]:
        """One call: the status and the value of the answer, and the worker that gave it."""
        await self.open()
        assert self._reader is not None and self._writer is not None
        host = f"{self._address[0]}:{self._address[1]}"
        head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        self._writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        content = await self._reader.readexactly(int(fields["content-length"]))
        return int(lines[0].split()[1]), json.loads(content), fields.get("x-aisle-worker", "unknown")

    def close(self) -> None:
        """Let go; the next call connects anew."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def run(host: str, port: int, flows: Sequence[Flow], seconds: float, num_connections: int) -> dict[str, Outcome]:
    """Send all flows side by side for so long; each has connections of its own."""
    started = time.perf_counter() + 0.2
    outcomes = await asyncio.gather(*(_run_flow(host, port, flow, started, seconds, num_connections) for flow in flows))
    return dict(zip((flow.name for flow in flows), outcomes, strict=True))


async def _run_flow(host: str, port: int, flow: Flow, started: float, seconds: float, num_connections: int) -> Outcome:
    outcome = Outcome()
    # First in, first out: all connections, and so all workers, have their share.
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(num_connections):
        connection = Connection(host, port)
        await connection.open()
        idle.put_nowait(connection)
    calls = set()
    for number, due in enumerate(_due_times(started, flow.per_second, seconds)):
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        body = flow.bodies[number % len(flow.bodies)]
        calls.add(asyncio.create_task(_call(flow, body, due, idle, outcome)))
    await asyncio.gather(*calls)
    outcome.seconds = time.perf_counter() - started
    while not idle.empty():
        idle.get_nowait().close()
    return outcome


def _due_times(started: float, per_second: float, seconds: float) -> Iterator[float]:
    for number in range(round(per_second * seconds)):
        yield started + number / per_second


async def _call(flow: Flow, body: bytes, due: float, idle: asyncio.Queue[Connection], outcome: Outcome) -> None:
    connection = await idle.get()
    outcome.late_ms.append((time.perf_counter() - due) * 1000)
    try:
        status, answer, worker = await asyncio.wait_for(connection.post(flow.path, body), CALL_TIMEOUT_SECONDS)
        outcome.problems.update(flow.judge(status, answer))
        outcome.by_worker[worker] += 1
    except (OSError, EOFError, TimeoutError, ValueError, KeyError) as error:
        outcome.problems.update([f"error: {type(error).__name__}"])
        connection.close()
    finally:
        outcome.latencies_ms.append((time.perf_counter() - due) * 1000)
        idle.put_nowait(connection)
