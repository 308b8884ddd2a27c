"""A server killed in the middle of requests: what it acknowledged is there, and nothing is there twice."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Server

NUM_KILLS = 10
MAX_ROUNDS = 3 * NUM_KILLS
NUM_CLIENTS = 6
EVENTS_PER_BATCH = 20
MIN_IN_FLIGHT = 3

JSON = {"content-type": "application/json"}
Batch = list[dict[str, Any]]


@dataclass
class Traffic:
    """What the clients of one server's life sent, and what of it was acknowledged."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    in_flight: dict[int, Batch] = field(default_factory=dict)
    unanswered: list[Batch] = field(default_factory=list)
    num_acknowledged: int = 0
    many_in_flight: threading.Event = field(default_factory=threading.Event)

    def sent(self, client: int, batch: Batch) -> None:
        self.in_flight[client] = batch
        # Enough has been acknowledged for a loss to show, and enough is on its way: now is the time to kill.
        if len(self.in_flight) > MIN_IN_FLIGHT and self.num_acknowledged >= 2 * NUM_CLIENTS:
            self.many_in_flight.set()


def batch_of(round_number: int, client: int, number: int) -> Batch:
    return [
        {
            "event_id": f"{round_number}-{client}-{number}-{index}",
            "type": "purchase",
            "user_id": f"u{client}",
            "item_id": f"i{index}",
        }
        for index in range(EVENTS_PER_BATCH)
    ]


def post_until_killed(server: Server, traffic: Traffic, round_number: int, client: int) -> None:
    connection = server.connect()
    for number in range(10_000):
        batch = batch_of(round_number, client, number)
        try:
            connection.request("POST", "/v1/events", json.dumps({"events": batch}), JSON)
            with traffic.lock:
                traffic.sent(client, batch)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            with traffic.lock:
                traffic.in_flight.pop(client, None)
                traffic.unanswered.append(batch)
            connection.close()
            return
        assert (response.status, answer["accepted"]) == (202, EVENTS_PER_BATCH)
        with traffic.lock:
            del traffic.in_flight[client]
            traffic.num_acknowledged += 1
    raise AssertionError("the server was never killed")


def test_ten_kills_in_mid_request_lose_and_double_nothing(directory: Path, serve: Callable[..., Server]) -> None:
    num_sent = num_kills = 0
    unanswered: list[Batch] = []
    for round_number in range(MAX_ROUNDS):
        server = serve(directory)
        resend(server, unanswered)
        traffic = Traffic()
        clients = [
            threading.Thread(target=post_until_killed, args=(server, traffic, round_number, client))
            for client in range(NUM_CLIENTS)
        ]
        for thread in clients:
            thread.start()
        assert traffic.many_in_flight.wait(30)
        with traffic.lock:  # nobody starts a request or notes an answer while the server is killed
            begun = {id(batch) for batch in traffic.in_flight.values()}
            server.process.kill()
        for thread in clients:
            thread.join(30)
        server.kill()
        cut_off = [batch for batch in traffic.unanswered if id(batch) in begun]
        unanswered = traffic.unanswered
        num_sent += traffic.num_acknowledged + len(unanswered)
        # On a busy machine answers may lie at a client that did not read them yet: such a kill does not count.
        num_kills += len(cut_off) >= MIN_IN_FLIGHT
        if num_kills == NUM_KILLS:
            break
    assert num_kills == NUM_KILLS, "kills that met requests in flight"
    server = serve(directory)
    resend(server, unanswered)
    check_all_there_once(server, num_sent * EVENTS_PER_BATCH)


def resend(server: Server, batches: list[Batch]) -> None:
    """Send what was not acknowledged once more, under the same ids: a batch was taken whole or not at all."""
    for batch in batches:
        status, answer, _ = server.call("POST", "/v1/events", {"events": batch})
        assert status == 202
        assert (answer["accepted"], answer["duplicates"]) in ((EVENTS_PER_BATCH, 0), (0, EVENTS_PER_BATCH))


def check_all_there_once(server: Server, expected: int) -> None:
    found: Counter[str] = Counter()
    for client in range(NUM_CLIENTS):
        _, answer, _ = server.call("GET", f"/v1/users/u{client}/events?limit=10000")
        found.update(event["event_id"] for event in answer["events"])
    assert len(found) == expected
    assert set(found.values()) == {1}
