"""Another program holds the database: posted events wait or are refused politely, recommendations go on."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient

from aisle.errors import BackendUnavailableError
from aisle.serve import create_app
from aisle.serve.write_lane import NUM_THREADS, WriteLane
from aisle.store import connection
from aisle.workspace import STORE_NAME
from tests.e2e.conftest import Server

#: More than the threads of a worker.
NUM_POSTS = 60
HELD_SECONDS = 2.0


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the database's write lock, as a stranger's tool may."""
    with closing(sqlite3.connect(directory / STORE_NAME, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        yield
        stranger.execute("ROLLBACK")


def view(number: int) -> dict[str, Any]:
    return {"event_id": f"e{number}", "type": "view", "user_id": "ann", "item_id": f"i{number}"}


def test_events_wait_and_recommendations_go_on(trained_copy: Path, serve: Callable[..., Server]) -> None:
    server = serve(trained_copy)
    with ThreadPoolExecutor(NUM_POSTS) as pool:
        with held(trained_copy):
            posts = [pool.submit(server.call, "POST", "/v1/events", {"events": [view(n)]}) for n in range(NUM_POSTS)]
            until = time.monotonic() + HELD_SECONDS
            num_answers = 0
            while time.monotonic() < until or not num_answers:
                status, answer, _ = server.call(
                    "POST", "/v1/recommendations", {"placement": "for-you", "user_id": "u1"}
                )
                assert (status, len(answer["items"]), answer["degraded"]) == (200, 10, [])
                num_answers += 1
            assert not any(post.done() for post in posts), "nothing is acknowledged before it is written"
        assert [post.result()[0] for post in posts] == [202] * NUM_POSTS
    _, kept, _ = server.call("GET", "/v1/users/ann/events?limit=1000")
    assert {event["event_id"] for event in kept["events"]} == {f"e{number}" for number in range(NUM_POSTS)}
    assert num_answers > 1


def test_who_waited_too_long_is_refused_and_may_send_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 400)
    with TestClient(create_app(directory), base_url="http://127.0.0.1") as client, ThreadPoolExecutor(20) as pool:
        post = partial(client.post, "/v1/events")
        with held(directory):
            started = time.monotonic()
            answers = list(pool.map(lambda number: post(json={"events": [view(number)]}), range(20)))
            # Each thread of the lane waits once for all those that stand in it together.
            assert time.monotonic() - started < 0.4 * (20 / NUM_THREADS + 3)
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        assert "send again" in answers[0].json()["detail"]
        again = post(json={"events": [view(number) for number in range(20)]})
        assert again.json() == {"accepted": 20, "duplicates": 0, "rejected": []}, "what was refused was not written"


def test_a_full_lane_refuses_at_once() -> None:
    lane = WriteLane(max_waiting=2)
    free = threading.Event()
    done: list[int] = []

    async def write(number: int) -> None:
        await lane.run(lambda: (free.wait(10), done.append(number)))

    async def fill() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(NUM_THREADS + 2):
                tasks.start_soon(write, number)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(BackendUnavailableError, match="2 calls wait for the store already"):
                await lane.run(free.set)
            assert not free.is_set()
            free.set()

    anyio.run(fill)
    assert sorted(done) == list(range(NUM_THREADS + 2)), "who was let in was served"


def test_a_call_that_waits_too_long_for_its_turn_writes_nothing() -> None:
    lane = WriteLane(wait_seconds=0.05)
    free = threading.Event()

    async def overtake() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(NUM_THREADS):
                tasks.start_soon(lane.run, partial(free.wait, 10))
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(BackendUnavailableError, match=r"held for 0\.05 seconds"):
                await lane.run(lambda: pytest.fail("it was refused, and written all the same"))
            free.set()

    anyio.run(overtake)


def test_a_read_that_the_store_refuses_is_no_fault_of_the_server(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(create_app(directory), base_url="http://127.0.0.1") as client:
        store = client.app.state.service.store  # type: ignore[attr-defined]
        with store._database.reader() as driver:
            driver.execute("PRAGMA busy_timeout = 1")
        with closing(sqlite3.connect(directory / STORE_NAME, isolation_level=None)) as stranger:
            stranger.execute("DROP TABLE users")
            answer = client.get("/v1/users/ann")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "cannot be read (no such table: users)" in answer.json()["detail"]
