"""/v1/models: the registry over HTTP, and switching while requests go on."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from aisle.bundle import BundleWriter
from aisle.serve import create_app
from aisle.store import BundleRecord
from tests.serve.conftest import service_of


@pytest.fixture
def trained(trained_shop: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A trained shop whose bundle is registered twice: as it was trained (active), and as "copy"."""
    directory = shutil.copytree(trained_shop, tmp_path / "shop")
    # Time enough on any machine: what is tested here is switching, not falling back.
    (directory / "aisle.yaml").write_text("budgets: {retrieve_ms: 60000}")
    with TestClient(create_app(directory), base_url="http://127.0.0.1") as client:
        (record,) = service_of(client).store.bundles()
        shutil.copytree(directory / record.path, directory / "bundles" / "copy")
        copy = replace(record, version="copy", path="bundles/copy", created_ms=record.created_ms + 1)
        service_of(client).store.register_bundle(copy)
        yield client


def ask(client: TestClient) -> dict[str, Any]:
    response = client.post("/v1/recommendations", json={"placement": "for-you", "user_id": "u1"})
    assert response.status_code == 200
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


def active(client: TestClient) -> str | None:
    answer = client.get("/v1/models").json()
    assert [model["version"] for model in answer["models"] if model["active"]] == [answer["active"]]
    version = answer["active"]
    assert version is None or isinstance(version, str)
    return version


def test_an_empty_registry(client: TestClient) -> None:
    assert client.get("/v1/models").json() == {"active": None, "models": []}


def test_versions_are_listed_the_newest_first_with_their_metrics(trained: TestClient) -> None:
    models = trained.get("/v1/models").json()["models"]
    assert models[0]["version"] == "copy"
    assert [model["active"] for model in models] == [False, True]
    assert models[1]["metrics"]["test/ndcg@20/full/all"] > 0
    assert models[1]["created"].endswith("Z")


def test_activating_changes_who_answers(trained: TestClient) -> None:
    before = ask(trained)
    assert before["model_version"] == active(trained) != "copy"
    response = trained.post("/v1/models/copy:activate")
    assert (response.status_code, response.json()["active"]) == (200, True)
    after = ask(trained)
    assert after["model_version"] == active(trained) == "copy"
    assert [item["item_id"] for item in after["items"]] == [item["item_id"] for item in before["items"]]
    assert 'aisle_model_info{version="copy"} 1.0' in trained.get("/metrics").text


def test_an_unknown_version_is_404(trained: TestClient) -> None:
    response = trained.post("/v1/models/none:activate")
    assert response.status_code == 404
    assert "GET /v1/models" in response.json()["detail"]


def test_a_damaged_bundle_is_refused_and_the_one_before_goes_on(trained: TestClient) -> None:
    before = active(trained)
    damaged = max((service_of(trained).workspace.directory / "bundles" / "copy").rglob("*.npy"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    response = trained.post("/v1/models/copy:activate")
    assert response.status_code == 409
    assert damaged.name in response.json()["detail"]
    assert active(trained) == before == ask(trained)["model_version"]


def test_sound_files_that_make_no_pipeline_are_refused(trained: TestClient) -> None:
    service = service_of(trained)
    directory = service.workspace.directory / "bundles" / "empty"
    with BundleWriter(directory) as writer:
        writer.write_json("notes", {"pipeline": None})
    digest = hashlib.sha256((directory / "manifest.json").read_bytes()).hexdigest()
    service.store.register_bundle(BundleRecord("empty", "bundles/empty", digest, 0, False, {}))
    before = active(trained)
    assert trained.post("/v1/models/empty:activate").status_code == 409
    assert active(trained) == before == ask(trained)["model_version"]


def test_no_request_is_lost_while_switching(trained: TestClient) -> None:
    versions = [model["version"] for model in trained.get("/v1/models").json()["models"]]
    answers: list[str] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            answer = ask(trained)
            assert len(answer["items"]) == 10 and answer["degraded"] == []
            answers.append(answer["model_version"])

    clients = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in clients:
        thread.start()
    for turn in range(20):
        assert trained.post(f"/v1/models/{versions[turn % 2]}:activate").status_code == 200
        num_before = len(answers)
        deadline = time.monotonic() + 30
        while len(answers) < num_before + 2 and time.monotonic() < deadline:
            time.sleep(0.001)
    stop.set()
    for thread in clients:
        thread.join()
    assert set(answers) == set(versions)


def test_the_answer_explains_itself(trained: TestClient) -> None:
    question = {"placement": "for-you", "user_id": "u1", "explain": True}
    items = trained.post("/v1/recommendations", json=question).json()["items"]
    assert len(items) == 10
    for item in items:
        assert item["reason"]
        assert item["source"] in item["sources"]
        assert sum(share["share"] for share in item["sources"].values()) == pytest.approx(item["score"], rel=1e-3)
