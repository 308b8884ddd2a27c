"""/v1/users: a record, a history, and forgetting both."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tests.serve.conftest import purchase


def test_a_user_goes_in_comes_back_and_is_forgotten_with_all_events(client: TestClient) -> None:
    assert client.put("/v1/users/u1", json={"attributes": {"country": "DE"}}).status_code == 200
    assert client.get("/v1/users/u1").json() == {"user_id": "u1", "attributes": {"country": "DE"}}
    client.post("/v1/events", json={"events": [purchase("u1", "a"), purchase("u1", "b"), purchase("u2", "a")]})
    assert client.delete("/v1/users/u1").json() == {"user_id": "u1", "events_deleted": 2}
    assert client.get("/v1/users/u1").status_code == 404
    assert client.get("/v1/users/u1/events").json() == {"events": []}
    assert len(client.get("/v1/users/u2/events").json()["events"]) == 1
    assert client.delete("/v1/users/u1").json()["events_deleted"] == 0


def test_events_come_newest_first_and_only_so_many(client: TestClient) -> None:
    times = ["2024-05-01T10:00:00Z", "2024-05-03T10:00:00Z", "2024-05-02T10:00:00Z"]
    events = [purchase("u1", f"i{day}", timestamp=time) for day, time in enumerate(times)]
    client.post("/v1/events", json={"events": events})
    answer = client.get("/v1/users/u1/events", params={"limit": 2}).json()
    assert [event["item_id"] for event in answer["events"]] == ["i1", "i2"]
    assert [event["timestamp"] for event in answer["events"]] == [times[1], times[2]]
    assert all(event["event_id"] for event in answer["events"])


@pytest.mark.parametrize("user_id", ["a/events", "a/b", "50%", "events"])
def test_an_id_with_slashes_is_told_from_the_path(client: TestClient, user_id: str) -> None:
    path = f"/v1/users/{quote(user_id, safe='')}"
    assert client.put(path, json={}).json()["user_id"] == user_id
    assert client.get(path).json() == {"user_id": user_id, "attributes": {}}
    client.post("/v1/events", json={"events": [purchase(user_id, "a")]})
    assert len(client.get(f"{path}/events").json()["events"]) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "10001", "1e3"])
def test_a_wrong_limit_is_422_and_named(client: TestClient, limit: str) -> None:
    response = client.get("/v1/users/u1/events", params={"limit": limit})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "limit"]


def test_known_visitors_are_listed_the_newest_first(client: TestClient) -> None:
    for user_id in ("u1", "u2", "u3"):
        client.post("/v1/events", json={"events": [purchase(user_id, "a")]})
    assert client.get("/v1/users", params={"limit": 2}).json() == {"user_ids": ["u3", "u2"], "total": 3}


def test_the_id_of_the_body_must_be_that_of_the_path(client: TestClient) -> None:
    response = client.put("/v1/users/u1", json={"user_id": "u2"})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "user_id"]
