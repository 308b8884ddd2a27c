"""POST /v1/recommendations: before there is a bundle, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serve.conftest import purchase, service_of


def ask(client: TestClient, **question: Any) -> dict[str, Any]:
    response = client.post("/v1/recommendations", json={"placement": "popular", **question})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_without_a_bundle_the_store_answers_what_is_popular_and_available(shop: TestClient) -> None:
    answer = ask(shop)
    assert ids(answer) == ["tea", "pot", "cup"]  # "gone" has most purchases, but is not available
    assert answer["placement"] == "popular"
    assert answer["degraded"] == []
    assert answer["took_ms"] > 0
    assert all(item["source"] and item["reason"] for item in answer["items"])
    assert answer["request_id"] != ask(shop)["request_id"]


def test_without_a_bundle_for_you_says_that_it_fell_back(shop: TestClient) -> None:
    answer = ask(shop, placement="for-you", user_id="somebody new")
    assert ids(answer) == ["tea", "pot", "cup"]
    assert len(answer["degraded"]) == 1


def test_an_empty_shop_answers_an_empty_list(client: TestClient) -> None:
    assert ids(ask(client)) == []


def test_the_next_answer_feels_events_and_catalogue(shop: TestClient) -> None:
    shop.post("/v1/events", json={"events": [purchase(f"v{number}", "cup") for number in range(5)]})
    assert ids(ask(shop))[0] == "cup"
    shop.put("/v1/items/cup", json={"title": "Cup", "available": False})
    assert "cup" not in ids(ask(shop))
    shop.delete("/v1/items/tea")
    assert ids(ask(shop)) == ["pot"]


def test_limit_exclude_and_filters_reach_the_pipeline(shop: TestClient) -> None:
    assert ids(ask(shop, limit=1)) == ["tea"]
    assert ids(ask(shop, exclude=["tea"])) == ["pot", "cup"]
    assert ids(ask(shop, filter={"category": ["Kitchen"]})) == ["pot", "cup"]
    assert ids(ask(shop, filter={"price": {"min": 5, "max": 10}})) == ["cup"]
    assert ids(ask(shop, filter={"category": ["Kitchen"], "price": {"min": 10}})) == ["pot"]
    assert ids(ask(shop, filter={"brand": ["none has one"]})) == []
    assert ids(ask(shop, user_id="u0", repeat="exclude")) == ["pot", "cup"]
    assert ids(ask(shop, user_id="u0", repeat="allow")) == ["tea", "pot", "cup"]


def test_explain_adds_the_sources(shop: TestClient) -> None:
    assert "sources" not in ask(shop)["items"][0]
    assert isinstance(ask(shop, explain=True)["items"][0]["sources"], dict)


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ({}, ["body", "placement"]),
        ({"placement": "nowhere"}, ["body", "placement"]),
        ({"placement": "popular", "limit": 0}, ["body", "limit"]),
        ({"placement": "popular", "limit": 501}, ["body", "limit"]),
        ({"placement": "popular", "limit": "many"}, ["body", "limit"]),
        ({"placement": "popular", "usr_id": "u1"}, ["body", "usr_id"]),
        ({"placement": "popular", "user_id": ""}, ["body", "user_id"]),
        ({"placement": "popular", "user_id": ["u1"]}, ["body", "user_id"]),
        ({"placement": "popular", "repeat": "never"}, ["body", "repeat"]),
        ({"placement": "popular", "filter": {"colour": ["red"]}}, ["body", "filter", "colour"]),
        ({"placement": "popular", "filter": {"price": {"min": "low"}}}, ["body", "filter", "price", "min"]),
        ({"placement": "popular", "filter": {"price": {"min": 9, "max": 1}}}, ["body", "filter", "price"]),
        ({"placement": "popular", "filter": {"category": "Tea"}}, ["body", "filter", "category"]),
        ({"placement": "similar-items"}, ["body", "items"]),
        ({"placement": "bought-together", "items": []}, ["body", "items"]),
        ({"placement": "popular", "exclude": [""]}, ["body", "exclude", 0]),
    ],
)
def test_a_wrong_field_is_422_and_named(client: TestClient, question: dict[str, Any], named: list[Any]) -> None:
    response = client.post("/v1/recommendations", json=question)
    assert response.status_code == 422
    assert [entry["loc"] for entry in response.json()["detail"]] == [named]


def test_unknown_users_sessions_and_items_are_no_error(shop: TestClient) -> None:
    unknown = "never seen"
    assert ask(shop, placement="similar-items", items=[unknown])["items"]
    assert ask(shop, placement="for-you", user_id=unknown, session_id=unknown, exclude=[unknown])["items"]
    assert ask(shop, placement="buy-it-again")["items"] == [], "who bought nothing buys nothing again"


def test_an_answer_is_noted_as_served_with_its_positions(shop: TestClient) -> None:
    answer = ask(shop, user_id="u0", session_id="s0")
    service = service_of(shop)
    service.served_log.flush()
    report = service.store.report(0, service.store.now_ms() + 1)
    assert report["popular"]["answers"] == 1
    assert report["popular"]["served"] == len(answer["items"]) == 3
