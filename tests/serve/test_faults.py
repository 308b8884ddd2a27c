"""What each kind of error becomes over HTTP."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from aisle import errors
from aisle.serve.faults import STATUS_OF_ERROR
from tests.serve.conftest import service_of


def test_every_kind_of_error_has_its_place_in_the_table() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AisleError)}
    assert set(STATUS_OF_ERROR) == kinds - {errors.AisleError}


@pytest.mark.parametrize(("kind", "status"), [*STATUS_OF_ERROR.items(), (errors.AisleError, 500)])
def test_a_kind_of_error_becomes_its_status_and_keeps_its_message(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, kind: type[errors.AisleError], status: int
) -> None:
    def fail(item_id: str) -> None:
        raise kind("expected this, received that")

    monkeypatch.setattr(service_of(client).store, "get_item", fail)
    response = client.get("/v1/items/a")
    assert (response.status_code, response.json()) == (status, {"detail": "expected this, received that"})
    assert ("retry-after" in response.headers) == (status == 503)


def test_an_unexpected_error_is_500_and_says_nothing_of_the_inside(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(item_id: str) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(service_of(client).store, "get_item", fail)
    response = client.get("/v1/items/a")
    assert response.status_code == 500
    assert "secret" not in response.text
    samples = client.get("/metrics").text
    assert 'aisle_http_requests_total{method="GET",route="/v1/items/{item_id}",status="500"} 1.0' in samples


def test_unknown_paths_and_methods_are_problems_too(client: TestClient) -> None:
    assert (client.get("/nowhere").status_code, client.get("/nowhere").json()) == (404, {"detail": "Not Found"})
    assert client.patch("/v1/items/a").status_code == 405


def test_a_refused_field_does_not_send_the_value_back(client: TestClient) -> None:
    response = client.post(
        "/v1/recommendations", json={"placement": "popular", "user_id": {"email": "ann@example.org"}}
    )
    assert response.status_code == 422
    assert "ann@example.org" not in response.text
