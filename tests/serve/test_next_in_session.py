"""The placement `next-in-session` over HTTP, answered by a model of sequences without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from starlette.testclient import TestClient

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline import Blend, Pipeline, Placement
from aisle.pipeline.generators import SequenceGenerator
from aisle.store.contract import BundleRecord
from aisle.workspace import Workspace
from tests.encoders import like_the_last
from tests.shops import NO_HASTE

NAMES = ["", "", "tea", "mate", "cola", "rug"]
#: Tea is like mate, cola like rug; what is like the last item comes next.
VECTORS = [(0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.8, 0.6), (-1.0, 0.0), (-0.8, 0.6)]


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """A shop with a bundle whose only source is a model of sequences."""
    source = SequenceGenerator("next", like_the_last(VECTORS), temperature=0.5)
    blends = dict.fromkeys(("allow", "exclude"), Blend({"next": 1.0}))
    pipeline = Pipeline(
        item_ids=NAMES,
        generators={"next": source},
        placements={"next-in-session": Placement("next-in-session", "session", ("next",), blends)},  # type: ignore[arg-type]
        signals={"purchase": 1.0, "view": 0.2},
        target="purchase",
        candidates_per_source=50,
        history_limit=100,
        fitted_until_ms=0,
    )
    path = workspace.directory / "bundles" / "v1"
    with BundleWriter(path) as writer:
        pipeline.save(writer)
    with closing(workspace.open_store()) as store:
        store.register_bundle(BundleRecord("v1", "bundles/v1", Bundle.open(path).manifest_sha256, 0, False, {}))
        store.activate_bundle("v1")
    return workspace


def ask(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommendations", json={"placement": "next-in-session", **fields})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_each_event_changes_what_comes_next(shop: Workspace, start: Callable[..., TestClient]) -> None:
    client = start(NO_HASTE)
    assert ids(ask(client, session_id="s")) == []
    expected = {"tea": ["mate", "rug", "cola"], "cola": ["rug", "mate"], "mate": ["rug"]}
    for item_id, following in expected.items():
        event = {"type": "view", "session_id": "s", "item_id": item_id}
        assert client.post("/v1/events", json={"events": [event]}).json()["accepted"] == 1
        answer = ask(client, session_id="s")
        assert (ids(answer), answer["degraded"], answer["model_version"]) == (following, [], "v1")
    assert answer["items"][0]["reason"] == "Often comes after mate"


def test_the_order_of_given_items_counts(shop: Workspace, start: Callable[..., TestClient]) -> None:
    client = start(NO_HASTE)
    assert ids(ask(client, items=["cola", "tea"])) == ["mate", "rug"]
    assert ids(ask(client, items=["tea", "cola"])) == ["rug", "mate"]
    assert ids(ask(client, items=["tea", "never seen"], limit=1)) == ["mate"]


def test_without_a_bundle_popular_items_answer(client: TestClient) -> None:
    event = {"type": "purchase", "user_id": "u", "item_id": "tea"}
    client.post("/v1/events", json={"events": [event]})
    answer = ask(client, user_id="v")
    assert ids(answer) == ["tea"]
    assert answer["degraded"] == ["rank: no model yet, popular items instead"]


SERVED = """
import json, sys
from starlette.testclient import TestClient
from aisle.serve import create_app
with TestClient(create_app(sys.argv[1]), base_url="http://127.0.0.1") as client:
    answer = client.post("/v1/recommendations", json={"placement": "next-in-session", "items": ["tea"]}).json()
heavy = {"torch", "onnx", "onnxscript", "numba", "safetensors"} & set(sys.modules)
print(json.dumps([[item["item_id"] for item in answer["items"]], answer["degraded"], sorted(heavy)]))
"""


def test_a_served_request_imports_no_torch(shop: Workspace) -> None:
    (shop.directory / "aisle.yaml").write_text(NO_HASTE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVED, str(shop.directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    assert json.loads(done.stdout) == [["mate", "rug", "cola"], [], []]
