"""Health, readiness, measurements and the report, with numbers counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.serve.conftest import purchase


def scrape(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(samples: dict[Any, float], name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def test_alive_and_ready_without_a_bundle(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"alive": True}
    ready = client.get("/readyz").json()
    assert ready["ready"] is True
    assert ready["model_version"] == "none"
    assert ready["simulated"] is False


def test_metrics_count_what_was_done(client: TestClient) -> None:
    # 5 events: 3 accepted, 1 duplicate, 1 rejected; then 2 accepted.
    first = [purchase("u1", "a", event_id=f"e{number}") for number in (1, 2, 3, 3)] + [{"type": "view"}]
    client.post("/v1/events", json={"events": first})
    client.post("/v1/events", json={"events": [purchase("u2", "a"), purchase("u3", "b")]})
    client.post("/v1/events", json={"wrong": []})
    # 2 items, so 3 answers of "popular" are not empty; the one filtered to nothing is.
    client.post("/v1/items", json={"items": [{"item_id": "a"}, {"item_id": "b"}]})
    for _ in range(3):
        client.post("/v1/recommendations", json={"placement": "popular"})
    client.post("/v1/recommendations", json={"placement": "popular", "filter": {"brand": ["none"]}})
    client.post("/v1/recommendations", json={"placement": "for-you", "user_id": "u1"})
    client.get("/v1/items/a")
    client.get("/v1/items/unknown")
    client.get("/no/such/path")

    samples = scrape(client)
    assert value(samples, "aisle_events_total", outcome="accepted") == 5
    assert value(samples, "aisle_events_total", outcome="duplicate") == 1
    assert value(samples, "aisle_events_total", outcome="rejected") == 1
    assert value(samples, "aisle_recommendations_total", placement="popular") == 4
    assert value(samples, "aisle_recommendations_empty_total", placement="popular") == 1
    assert value(samples, "aisle_recommendations_total", placement="for-you") == 1
    assert value(samples, "aisle_degraded_total", stage="rank") == 1  # for-you without a model
    calls = "aisle_http_requests_total"
    assert value(samples, calls, method="POST", route="/v1/events", status="202") == 2
    assert value(samples, calls, method="POST", route="/v1/events", status="422") == 1
    assert value(samples, calls, method="POST", route="/v1/recommendations", status="200") == 5
    assert value(samples, calls, method="GET", route="/v1/items/{item_id}", status="200") == 1
    assert value(samples, calls, method="GET", route="/v1/items/{item_id}", status="404") == 1
    assert value(samples, calls, method="GET", route="unmatched", status="404") == 1
    assert value(samples, "aisle_http_request_seconds_count", route="/v1/events") == 3
    assert value(samples, "aisle_model_info", version="none") == 1


def test_the_report_counts_each_served_item_once_per_outcome(shop: TestClient) -> None:
    def ask(placement: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = shop.post("/v1/recommendations", json={"placement": placement, **fields}).json()
        return answer

    # popular: two answers, 3 + 1 items; for-you: one answer with 3 items.
    first, second, third = ask("popular"), ask("popular", limit=1), ask("for-you", user_id="u1")
    assert [len(answer["items"]) for answer in (first, second, third)] == [3, 1, 3]

    def outcome(kind: str, answer: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {"type": kind, "user_id": "u1", "request_id": answer["request_id"], **fields}

    events = [
        outcome("impression", first, items=["tea", "pot"]),  # two seen
        outcome("impression", first, item_id="tea"),  # seen again: still two
        outcome("impression", second, item_id="tea"),  # three
        outcome("view", first, item_id="pot"),  # one clicked
        outcome("purchase", first, item_id="pot"),  # one bought
        outcome("purchase", first, item_id="gone"),  # was not in the answer
        outcome("view", third, item_id="cup"),  # the other placement
        {"type": "purchase", "user_id": "u1", "item_id": "tea"},  # came of no answer
    ]
    assert shop.post("/v1/events", json={"events": events}).json()["accepted"] == len(events)

    report = shop.get("/v1/report").json()["placements"]
    # The catalogue has four items; popular served three of them.
    assert report == {
        "popular": {"answers": 2, "served": 4, "seen": 3, "clicked": 1, "bought": 1, "coverage": 0.75},
        "for-you": {"answers": 1, "served": 3, "seen": 0, "clicked": 1, "bought": 0, "coverage": 0.75},
    }


def test_the_report_is_of_its_period(shop: TestClient) -> None:
    shop.post("/v1/recommendations", json={"placement": "popular"})
    assert shop.get("/v1/report", params={"until": "2020-01-01T00:00:00Z"}).json() == {
        "since": "2019-12-04T00:00:00Z",
        "until": "2020-01-01T00:00:00Z",
        "placements": {},
    }
    whole = shop.get("/v1/report", params={"since": "1970-01-01"}).json()
    assert whole["since"] == "1970-01-01T00:00:00Z"
    assert whole["placements"]["popular"]["answers"] == 1


def test_the_report_reaches_to_the_ends_of_time(client: TestClient) -> None:
    for end in ("0001-01-01", "9999-12-31"):
        assert client.get("/v1/report", params={"until": end}).status_code == 200


@pytest.mark.parametrize(
    ("params", "field"), [({"since": "soon"}, "since"), ({"since": "2024-02-01", "until": "2024-01-01"}, "since")]
)
def test_a_wrong_period_is_422_and_named(client: TestClient, params: dict[str, str], field: str) -> None:
    response = client.get("/v1/report", params=params)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", field]
