"""POST /v1/events: accepted, duplicate or rejected, event by event."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from aisle.ingest import import_files
from tests.serve.conftest import purchase, service_of


def test_each_event_is_accepted_duplicate_or_rejected_with_its_index_and_reason(client: TestClient) -> None:
    events = [
        purchase("u1", "a", event_id="e1"),
        purchase("u1", "b", event_id="e1"),
        {"type": "purchase", "user_id": "u1"},
        {"type": "Not A Type", "user_id": "u1", "item_id": "a"},
        purchase("u1", "a", colour="red"),
        purchase("u1", "a", timestamp="yesterday"),
        "no event at all",
        purchase("u1", "c", event_id="e2"),
    ]
    response = client.post("/v1/events", json={"events": events})
    assert response.status_code == 202
    answer = response.json()
    assert (answer["accepted"], answer["duplicates"]) == (2, 1)
    reasons = {entry["index"]: entry["reason"] for entry in answer["rejected"]}
    assert sorted(reasons) == [2, 3, 4, 5, 6]
    assert reasons[2] == "expected exactly one of item_id and items"
    assert reasons[3].startswith("type: ")
    assert reasons[4].startswith("colour: ")
    assert "yesterday" in reasons[5] and reasons[5].startswith("timestamp: ")
    stored = client.get("/v1/users/u1/events").json()["events"]
    assert {(event["event_id"], event["item_id"]) for event in stored} == {("e1", "a"), ("e2", "c")}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "events"),
        ({"events": None}, "events"),
        ({"events": {"type": "view"}}, "events"),
        ({"events": [], "extra": 1}, "extra"),
        ([], "body"),
        ("text", "body"),
    ],
)
def test_a_bad_envelope_is_422_and_names_the_field(client: TestClient, body: object, named: str) -> None:
    response = client.post("/v1/events", json=body)
    assert response.status_code == 422
    assert named in response.json()["detail"][0]["loc"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"events": [NaN]}', b'"\\ud800"', b"[" * 100_000])
def test_what_is_no_json_is_422(client: TestClient, content: bytes) -> None:
    response = client.post("/v1/events", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert response.json()["detail"]


def test_an_empty_batch_is_no_error(client: TestClient) -> None:
    response = client.post("/v1/events", json={"events": []})
    assert (response.status_code, response.json()) == (202, {"accepted": 0, "duplicates": 0, "rejected": []})


def test_a_missing_timestamp_is_the_receipt_on_the_workspace_clock(client: TestClient) -> None:
    store = service_of(client).store
    before = store.now_ms()
    client.post("/v1/events", json={"events": [purchase("u1", "a")]})
    after = store.now_ms()
    (stored,) = store.user_events("u1", 10)
    assert stored.event.timestamp is not None
    assert before <= stored.event.timestamp <= after


def test_the_same_batch_with_times_sent_again_is_all_duplicates_but_equal_lines_are_kept(client: TestClient) -> None:
    line = purchase("u1", "a", timestamp="2024-05-01T10:00:00Z")
    other = purchase("u1", "b", timestamp=1714557600)
    first = client.post("/v1/events", json={"events": [line, line, other]}).json()
    second = client.post("/v1/events", json={"events": [line, line, other]}).json()
    assert (first["accepted"], first["duplicates"]) == (3, 0)
    assert (second["accepted"], second["duplicates"]) == (0, 3)


def test_a_list_event_with_everything_comes_back_as_it_was_sent(client: TestClient) -> None:
    event = {
        "event_id": "basket-1",
        "type": "purchase",
        "user_id": "u1",
        "session_id": "s1",
        "items": ["a", "b", "a"],
        "timestamp": "2024-05-01T10:00:00.250Z",
        "value": -2.5,
        "quantity": 3.0,
        "price": 9.99,
        "order_id": "o1",
        "request_id": "r1",
        "position": 4,
        "placement": "for-you",
        "context": {"device": "phone", "nested": {"list": [1, None, True]}, "ключ": "значение"},
    }
    client.post("/v1/events", json={"events": [event]})
    assert client.get("/v1/users/u1/events").json() == {"events": [event]}


@pytest.mark.parametrize("depth", [20, 200, 900])
def test_a_context_of_any_depth_is_stored_or_rejected_but_never_a_server_error(client: TestClient, depth: int) -> None:
    context: object = 1
    for _ in range(depth):
        context = {"in": context}
    response = client.post("/v1/events", json={"events": [purchase("u1", "a", context=context)]})
    assert response.status_code == 202
    answer = response.json()
    assert answer["accepted"] + len(answer["rejected"]) == 1
    assert client.get("/v1/users/u1/events").status_code == 200


def test_numbers_beyond_64_bits_do_not_break_the_store(client: TestClient) -> None:
    content = b'{"events": [{"type": "view", "user_id": "u1", "item_id": "a", "context": {"n": 18446744073709551616}}]}'
    response = client.post("/v1/events", content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["accepted"]) == (202, 1)


def test_a_body_of_another_type_is_refused(client: TestClient) -> None:
    packed = gzip.compress(b'{"events": []}')
    assert client.post("/v1/events", content=packed, headers={"content-type": "application/gzip"}).status_code == 422
    # Text needs no preflight, so a page of any site could send it: it is no JSON without a key in the address.
    assert (
        client.post("/v1/events", content=b'{"events": []}', headers={"content-type": "text/plain"}).status_code == 422
    )


def test_events_of_a_session_need_no_user(client: TestClient) -> None:
    events = [{"type": "view", "session_id": "s1", "item_id": "a"}, {"type": "view", "item_id": "a"}]
    answer = client.post("/v1/events", json={"events": events}).json()
    assert answer["accepted"] == 1
    assert answer["rejected"] == [{"index": 1, "reason": "expected user_id or session_id, received neither"}]


def test_the_servers_own_connections_are_fully_synchronous(client: TestClient) -> None:
    client.post("/v1/events", json={"events": [purchase("u1", "a")]})
    client.get("/v1/users/u1/events")
    settings = service_of(client).store.settings()
    assert len(settings) >= 2  # the writer's and a reader's
    assert all(setting == {"journal_mode": "wal", "synchronous": 2} for setting in settings)  # 2: FULL


def test_an_event_sent_live_and_imported_is_one_event(client: TestClient, tmp_path: Path) -> None:
    events = [
        purchase("u1", "a", timestamp="2024-05-01T10:00:00Z", quantity=2, price=9.99, order_id="o1"),
        purchase("u1", "a", timestamp="2024-05-01T10:00:00Z", quantity=2, price=9.99, order_id="o1"),
        {"type": "view", "session_id": "s1", "item_id": "ü", "timestamp": 1714557600.25, "context": {"b": 1, "a": [2]}},
        {"type": "impression", "user_id": "u2", "items": ["a", "b"], "timestamp": 1714557600, "position": 3},
    ]
    assert client.post("/v1/events", json={"events": events}).json()["accepted"] == 4
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(json.dumps(event) for event in events))
    service = service_of(client)
    (report,) = import_files(service.store, service.workspace.imports, "events", [file]).files
    assert (report.accepted, report.duplicates, report.rejected) == (0, 4, 0)
