"""/v1/items: write, read, take out, list; ids of any characters."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

STRANGE_IDS = [
    "a/b",
    "a%2Fb",
    "50% off",
    "ü/ö?#&=",
    "x/events",
    "a:activate",
    ".",
    "日本語",
    "a b",
    "//",
    "%",
    "a\\b",
    "😀",
]


def test_an_item_goes_in_comes_back_and_goes_out(client: TestClient) -> None:
    item = {
        "title": "Green tea",
        "category": ["Drinks", "Tea"],
        "price": 4.5,
        "available": True,
        "created_at": "2024-05-01T10:00:00Z",
        "attributes": {"organic": True, "sizes": ["s", "m"]},
    }
    assert client.put("/v1/items/tea", json=item).status_code == 200
    got = client.get("/v1/items/tea").json()
    assert got.items() >= {"item_id": "tea", **item}.items()
    assert client.delete("/v1/items/tea").json() == {"item_id": "tea", "deleted": True}
    assert client.get("/v1/items/tea").status_code == 404
    assert client.delete("/v1/items/tea").json() == {"item_id": "tea", "deleted": False}


def test_put_replaces_the_whole_record(client: TestClient) -> None:
    client.put("/v1/items/tea", json={"title": "Green tea", "price": 4.5})
    client.put("/v1/items/tea", json={"title": "Black tea"})
    got = client.get("/v1/items/tea").json()
    assert got["title"] == "Black tea"
    assert "price" not in got


@pytest.mark.parametrize("item_id", STRANGE_IDS)
def test_an_id_may_contain_any_character(client: TestClient, item_id: str) -> None:
    path = f"/v1/items/{quote(item_id, safe='')}".replace("/.", "/%2E")
    assert client.put(path, json={"title": "strange"}).json()["item_id"] == item_id
    assert client.get(path).json()["title"] == "strange"
    assert client.get("/v1/items", params={"item_id": item_id}).json()["total"] == 1
    assert client.delete(path).json() == {"item_id": item_id, "deleted": True}


def test_slashes_may_also_stand_as_they_are(client: TestClient) -> None:
    client.put("/v1/items/a%2Fb", json={})
    assert client.get("/v1/items/a/b").json()["item_id"] == "a/b"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/items/%00",
        "/v1/items/%FF",
        f"/v1/items/{'x' * 257}",
        "/v1/items/",
        "/v1/items/%0A",
        "/v1/items/a%0Ab",
        "/v1/items/%C2%85",
        "/v1/items/%20",
    ],
)
def test_what_is_no_id_is_422_and_named(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["path", "item_id"]


def test_the_id_of_the_body_must_be_that_of_the_path(client: TestClient) -> None:
    assert client.put("/v1/items/tea", json={"item_id": "tea"}).status_code == 200
    response = client.put("/v1/items/tea", json={"item_id": "pot"})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "item_id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prize": 3}, "prize"),
        ({"price": -1}, "price"),
        ({"available": "perhaps"}, "available"),
        ({"category": "Tea"}, "category"),
    ],
)
def test_a_wrong_field_is_422_and_named(client: TestClient, body: dict[str, object], field: str) -> None:
    response = client.put("/v1/items/tea", json=body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", field]


def test_many_items_at_once_and_the_bad_ones_named(client: TestClient) -> None:
    answer = client.post(
        "/v1/items", json={"items": [{"item_id": "a"}, {"title": "no id"}, {"item_id": "b", "price": "?"}]}
    )
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    assert [entry["index"] for entry in answer.json()["rejected"]] == [1, 2]
    assert answer.json()["rejected"][0]["reason"] == "item_id: Field required"


def test_the_catalogue_in_pages_and_by_search(shop: TestClient) -> None:
    everything = shop.get("/v1/items").json()
    assert everything["total"] == 4
    assert [item["item_id"] for item in everything["items"]] == ["tea", "pot", "cup", "gone"]
    page = shop.get("/v1/items", params={"limit": 2, "offset": 1}).json()
    assert ([item["item_id"] for item in page["items"]], page["total"]) == (["pot", "cup"], 4)
    found = shop.get("/v1/items", params={"search": "TEA"}).json()
    assert [item["item_id"] for item in found["items"]] == ["tea", "pot"]
    named = shop.get("/v1/items", params={"item_id": ["cup", "unknown", "cup"]}).json()
    assert [item["item_id"] for item in named["items"]] == ["cup"]


def test_a_deleted_item_leaves_the_list(shop: TestClient) -> None:
    shop.delete("/v1/items/pot")
    assert [item["item_id"] for item in shop.get("/v1/items").json()["items"]] == ["tea", "cup", "gone"]
