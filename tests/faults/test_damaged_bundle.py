"""A bundle whose files were damaged: it is never answered by, and what stands in for it says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from aisle.pipeline import active_model
from aisle.serve import create_app
from aisle.store import BundleRecord
from aisle.workspace import Workspace

Damage = Callable[[Path], None]


def flip_a_bit(bundle: Path) -> None:
    victim = max(bundle.rglob("*.npy"))
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)


def truncate(bundle: Path) -> None:
    victim = max(bundle.rglob("*.npy"))
    victim.write_bytes(victim.read_bytes()[:-100])


def tamper(bundle: Path) -> None:
    manifest = bundle / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"name"', b'"name" ', 1))


def remove(bundle: Path) -> None:
    shutil.rmtree(bundle)


DAMAGES = [flip_a_bit, truncate, tamper, remove]


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.__name__)
def damage(request: pytest.FixtureRequest) -> Damage:
    chosen: Damage = request.param
    return chosen


@pytest.fixture
def versions(trained_copy: Path) -> tuple[BundleRecord, BundleRecord]:
    """The trained bundle, and a copy of it that is active now."""
    with closing(Workspace.open(trained_copy).open_store()) as store:
        (first,) = store.bundles()
        shutil.copytree(trained_copy / first.path, trained_copy / "bundles" / "second")
        second = replace(first, version="second", path="bundles/second", created_ms=first.created_ms + 1)
        store.register_bundle(second)
        store.activate_bundle("second")
    return first, second


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be read is tried again by the next request."""
    monkeypatch.setattr(active_model, "RETRY_SECONDS", 0.0)


def ask(client: TestClient) -> dict[str, Any]:
    response = client.post("/v1/recommendations", json={"placement": "for-you", "user_id": "u1"})
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    assert len(answer["items"]) == 10
    return answer


def serve(directory: Path) -> TestClient:
    return TestClient(create_app(directory), base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.fixture
def whole(trained_copy: Path) -> Iterator[Path]:
    """Where copies of whole bundles are kept."""
    yield trained_copy.with_name("whole")


def test_a_damaged_version_is_not_activated(
    trained_copy: Path, versions: tuple[BundleRecord, BundleRecord], damage: Damage
) -> None:
    damage(trained_copy / versions[0].path)
    with serve(trained_copy) as client:
        response = client.post(f"/v1/models/{versions[0].version}:activate")
        assert (response.status_code, client.get("/v1/models").json()["active"]) == (409, "second")
        assert str(trained_copy / versions[0].path) in response.json()["detail"]
        assert (ask(client)["model_version"], ask(client)["degraded"]) == ("second", [])


@pytest.mark.usefixtures("patient")
def test_a_server_that_starts_falls_back_to_the_version_before(
    trained_copy: Path, versions: tuple[BundleRecord, BundleRecord], damage: Damage, whole: Path
) -> None:
    first, second = versions
    shutil.copytree(trained_copy / second.path, whole)
    damage(trained_copy / second.path)
    with serve(trained_copy) as client:
        answer, ready = ask(client), client.get("/readyz").json()
        said = [f"refresh: the bundle second cannot be used, {first.version} goes on answering"]
        assert (answer["model_version"], answer["degraded"]) == (first.version, said)
        assert (ready["ready"], ready["model_version"], ready["degraded"]) == (True, first.version, said)
        shutil.rmtree(trained_copy / second.path, ignore_errors=True)
        shutil.copytree(whole, trained_copy / second.path)
        client.get("/readyz")  # follows now; a recommendation would have it loaded beside it
        mended = ask(client)
        assert (mended["model_version"], mended["degraded"]) == ("second", []), "once it is whole again, without a hand"


@pytest.mark.usefixtures("patient")
def test_without_a_whole_version_the_store_answers(
    trained_copy: Path, versions: tuple[BundleRecord, BundleRecord], damage: Damage, whole: Path
) -> None:
    first, second = versions
    shutil.copytree(trained_copy / first.path, whole)
    for version in versions:
        damage(trained_copy / version.path)
    with serve(trained_copy) as client:
        answer = ask(client)
        assert (answer["model_version"], {item["source"] for item in answer["items"]}) == ("none", {"store_popular"})
        assert answer["degraded"] == [
            "rank: no model yet, popular items instead",
            "refresh: the bundle second cannot be used, none goes on answering",
        ]
        shutil.rmtree(trained_copy / second.path, ignore_errors=True)
        shutil.copytree(whole, trained_copy / second.path)
        client.get("/readyz")
        assert ask(client)["model_version"] == "second"
