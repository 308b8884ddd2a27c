"""The machine's clock jumps forward and back: nothing crashes, ids stay unique, answers stay sensible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from aisle.schema import DAY_MS
from aisle.serve import create_app
from aisle.store import SqlStore
from aisle.store.progress import wall_ms
from aisle.workspace import Workspace

HOUR_MS = DAY_MS // 24
STEPS_MS = [0, HOUR_MS, -HOUR_MS, DAY_MS, -3 * DAY_MS, 2 * DAY_MS]
EVENTS_PER_STEP = 5


class Machine:
    """A machine whose clock somebody sets."""

    def __init__(self) -> None:
        self.set_by_ms = 0

    def __call__(self) -> int:
        return wall_ms() + self.set_by_ms


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(Workspace, "open_store", lambda workspace: SqlStore(workspace.store_path, machine))
    return machine


@pytest.fixture
def client(trained_copy: Path, machine: Machine) -> Iterator[TestClient]:
    with TestClient(create_app(trained_copy), base_url="http://127.0.0.1") as client:
        yield client


def ask(client: TestClient, user_id: str) -> dict[str, Any]:
    response = client.post("/v1/recommendations", json={"placement": "for-you", "user_id": user_id})
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def test_a_shop_lives_through_steps_of_the_clock(client: TestClient, machine: Machine) -> None:
    item_ids = [item["item_id"] for item in ask(client, "u1")["items"]]
    request_ids, times = set(), []
    for number, step_ms in enumerate(STEPS_MS):
        machine.set_by_ms += step_ms
        events = [
            {"type": "view", "user_id": "ann", "item_id": item_ids[index], "value": number}
            for index in range(EVENTS_PER_STEP)
        ]
        assert client.post("/v1/events", json={"events": events}).json()["accepted"] == EVENTS_PER_STEP
        times.append(client.get("/readyz").json()["clock"])
        for user_id in ("ann", "u1", "nobody"):
            answer = ask(client, user_id)
            assert (len(answer["items"]), answer["degraded"]) == (10, [])
            assert all(item["score"] >= 0 for item in answer["items"])
            request_ids.add(answer["request_id"])
    assert len(request_ids) == 3 * len(STEPS_MS)
    kept = client.get("/v1/users/ann/events?limit=1000").json()["events"]
    assert len({event["event_id"] for event in kept}) == len(kept) == EVENTS_PER_STEP * len(STEPS_MS)
    assert min(times) == times[4], "the clock goes back with the machine's"


def test_the_clock_never_goes_behind_what_was_imported(client: TestClient, machine: Machine) -> None:
    store = client.app.state.service.store  # type: ignore[attr-defined]
    last_ms = max(frame["time_ms"].max() for frame in store.scan_events())
    machine.set_by_ms = -1000 * DAY_MS
    assert store.now_ms() == last_ms
    assert len(ask(client, "u1")["items"]) == 10


def test_what_came_while_the_clock_was_ahead_is_not_of_the_future(client: TestClient, machine: Machine) -> None:
    machine.set_by_ms = DAY_MS
    ahead = {"type": "purchase", "user_id": "ann", "item_id": ask(client, "u1")["items"][0]["item_id"]}
    assert client.post("/v1/events", json={"events": [ahead]}).json()["accepted"] == 1
    machine.set_by_ms = 0
    behind = ask(client, "ann")
    machine.set_by_ms = DAY_MS
    level = ask(client, "ann")
    assert (len(behind["items"]), behind["degraded"]) == (10, [])
    shared = {item["item_id"] for item in behind["items"]} & {item["item_id"] for item in level["items"]}
    assert len(shared) >= 8, "an event stamped ahead of the clock counts as one of this moment"
