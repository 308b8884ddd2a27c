"""A small shop, counted by hand, and clients of its app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from aisle.serve import create_app
from aisle.serve.service import Service
from aisle.workspace import Workspace

ITEMS = [
    {"item_id": "tea", "title": "Green tea", "category": ["Drinks", "Tea"], "price": 4.5, "currency": "EUR"},
    {"item_id": "pot", "title": "Tea pot", "category": ["Kitchen"], "price": 20.0, "currency": "EUR"},
    {"item_id": "cup", "title": "Cup", "category": ["Kitchen"], "price": 6.0, "currency": "EUR"},
    {"item_id": "gone", "title": "Sold out kettle", "category": ["Kitchen"], "price": 30.0, "available": False},
]
#: Purchases: tea three times, pot twice, cup once, gone (not available) four times.
PURCHASES = ["tea", "tea", "tea", "pot", "pot", "cup", "gone", "gone", "gone", "gone"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "shop")


@pytest.fixture
def start(workspace: Workspace) -> Iterator[Callable[..., TestClient]]:
    """Starts the app, with ``aisle.yaml`` as given; every client is closed at the end."""
    clients: list[TestClient] = []

    def start(configuration: str = "") -> TestClient:
        (workspace.directory / "aisle.yaml").write_text(configuration)
        client = TestClient(create_app(workspace.directory), base_url="http://127.0.0.1", raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(start: Callable[..., TestClient]) -> TestClient:
    return start()


@pytest.fixture
def shop(client: TestClient) -> TestClient:
    """The client of a shop with four items and ten purchases by ten visitors."""
    assert client.post("/v1/items", json={"items": ITEMS}).json() == {"accepted": 4, "rejected": []}
    events = [purchase(f"u{number}", item_id) for number, item_id in enumerate(PURCHASES)]
    assert client.post("/v1/events", json={"events": events}).json()["accepted"] == 10
    return client


def purchase(user_id: str, item_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "purchase", "user_id": user_id, "item_id": item_id, **fields}


def service_of(client: TestClient) -> Service:
    service = client.app.state.service  # type: ignore[attr-defined]
    assert isinstance(service, Service)
    return service
