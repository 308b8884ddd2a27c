"""A server whose placement is ranked by a model: budgets and failures, new visitors and items, drift in /metrics."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from aisle.features.drift import Observed
from aisle.pipeline.onnx_ranker import OnnxRanker
from aisle.serve import create_app
from aisle.serve.drift import MIN_ANSWERS, DriftCounts
from tests.serve.conftest import service_of
from tests.shops import NO_HASTE

USERS = ("user-00003", "user-00042", "user-00077")


@contextmanager
def serving(directory: Path, settings: str = NO_HASTE) -> Iterator[TestClient]:
    (directory / "aisle.yaml").write_text(settings)
    with TestClient(create_app(directory), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def directory(ranked_shop: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ranked_shop, tmp_path / "copy")


@pytest.fixture
def client(directory: Path) -> Iterator[TestClient]:
    with serving(directory) as client:
        yield client


def ask(client: TestClient, user: str, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommendations", json={"placement": "for-you", "user_id": user, **fields})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def happens(client: TestClient, kind: str, user: str, item_id: str) -> None:
    event = {"type": kind, "user_id": user, "item_id": item_id}
    assert client.post("/v1/events", json={"events": [event]}).json()["accepted"] == 1


def samples_of(client: TestClient) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def policies(client: TestClient) -> list[str]:
    """Of all answers in the served log, in their order."""
    service = service_of(client)
    service.served_log.flush()
    with closing(sqlite3.connect(service.workspace.directory / "aisle.db")) as connection:
        return [policy for (policy,) in connection.execute("SELECT policy FROM served ORDER BY rowid")]


def by_blend(client: TestClient) -> dict[str, list[str]]:
    """What the same bundle answers without its ranker."""
    recommender = service_of(client).recommender
    recommender.refresh()
    with_ranker = recommender.pipeline
    assert with_ranker is not None
    recommender._model.pipeline = with_ranker.with_rank_stage(None)
    try:
        return {user: ids(ask(client, user)) for user in USERS}
    finally:
        recommender._model.pipeline = with_ranker


def slow(self: OnnxRanker, *inputs: NDArray[Any]) -> NDArray[np.float32]:
    time.sleep(0.05)
    return np.zeros(len(inputs[0]), np.float32)


def raising(self: OnnxRanker, *inputs: NDArray[Any]) -> NDArray[np.float32]:
    raise RuntimeError("no such node")


@pytest.mark.parametrize(
    ("forward", "settings", "message"),
    [
        (slow, "budgets: {retrieve_ms: 60000, rank_ms: 20}\n", "rank: past the budget of 20 ms, by the blend instead"),
        (raising, NO_HASTE, "rank: the ranker failed, by the blend instead"),
    ],
)
def test_where_the_ranker_fails_the_blend_answers_and_says_so(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    forward: Callable[..., NDArray[np.float32]],
    settings: str,
    message: str,
) -> None:
    monkeypatch.setattr("aisle.pipeline.rank_stage.PART", 16)  # several parts, between which the time is looked at
    with serving(directory, NO_HASTE) as client:
        expected, ranked = by_blend(client), {user: ids(ask(client, user)) for user in USERS}
        assert all(expected[user] != ranked[user] for user in USERS)
        before = samples_of(client)
        assert ("aisle_degraded_total", "rank") not in before
        assert before["aisle_drift_answers",] == len(USERS)
    monkeypatch.setattr(OnnxRanker, "logits", forward)
    with serving(directory, settings) as client:
        for user in USERS:
            started = time.perf_counter()
            answer = ask(client, user)
            assert time.perf_counter() - started < 1, "the budget, one part more, and the blend"
            assert answer["degraded"] == [message]
            assert ids(answer) == expected[user]
        samples = samples_of(client)
        assert samples["aisle_degraded_total", "rank"] == len(USERS)
        assert samples["aisle_drift_answers",] == 0
        assert policies(client) == ["blend"] * 3 + ["field-dlrm"] * 3 + ["blend"] * 3


@pytest.mark.parametrize("kind", ["view", "purchase"])
def test_a_new_visitors_second_page_is_another_than_the_first(client: TestClient, kind: str) -> None:
    for number, item_id in enumerate(("item-0007", "item-0033", "item-0060")):
        first = ask(client, f"new-{number}")
        assert first["degraded"] == []
        happens(client, kind, f"new-{number}", item_id)
        second = ask(client, f"new-{number}")
        assert second["degraded"] == []
        assert set(ids(second)) - set(ids(first)), "another order alone could go unnoticed"
    assert set(policies(client)) == {"field-dlrm"}


def test_a_new_item_is_recommended_to_whom_it_suits_within_seconds(client: TestClient) -> None:
    page = client.get("/v1/items/item-0007").json()
    happens(client, "view", "likes-it", "item-0007")
    happens(client, "view", "does-not", "item-0033")
    assert "brand-new" not in ids(ask(client, "likes-it"))
    started = time.monotonic()
    new = {"title": f"{page['title']} deluxe", "category": page["category"], "price": page["price"]}
    assert client.put("/v1/items/brand-new", json=new).status_code == 200
    answer = ask(client, "likes-it")
    assert time.monotonic() - started < 5
    assert answer["degraded"] == []
    found = {item["item_id"]: item for item in answer["items"]}["brand-new"]
    assert (found["source"], found["reason"]) == ("content", f"Similar to {page['title']}")
    assert "brand-new" not in ids(ask(client, "does-not"))
    assert policies(client) == ["field-dlrm"] * 3
    happens(client, "purchase", "likes-it", "brand-new")
    assert ask(client, "likes-it")["degraded"] == [], "nor does an event of an item that no model knows disturb"


def test_drift_is_told_from_enough_answers_on(client: TestClient) -> None:
    assert samples_of(client)["aisle_drift_answers",] == 0
    for number in range(MIN_ANSWERS - 1):
        ask(client, f"user-{number % 150:05}", limit=1)
    samples = samples_of(client)
    assert samples["aisle_drift_answers",] == MIN_ANSWERS - 1
    assert not [name for name, *_ in samples if name == "aisle_feature_drift"]
    ask(client, "user-00003", limit=1)
    samples = samples_of(client)
    pipeline = service_of(client).recommender.pipeline
    assert pipeline is not None and pipeline.rank_stage is not None
    reference = pipeline.rank_stage.reference
    assert reference is not None
    drift = {name: samples["aisle_feature_drift", name] for name in reference.names}
    # Every customer asked once or twice: what the shop's customers are like has not moved in a fortnight.
    assert np.median(list(drift.values())) < 0.1
    assert 0.2 < samples["aisle_predicted_probability", "answers"] / reference.mean_label < 5
    assert samples["aisle_predicted_probability", "training"] == reference.mean_label
    ask_strangers(client, 3 * MIN_ANSWERS)
    moved = {name: samples_of(client)["aisle_feature_drift", name] for name in reference.names}
    assert drift["user_count"] < 0.25
    assert moved["user_count"] > 1, "most who ask now never bought anything"
    assert moved["item_log_price"] < 0.25, "prices are what they were"


def ask_strangers(client: TestClient, number: int) -> None:
    for _ in range(number):
        ask(client, "a stranger", limit=1)


def observed(*counts: float, probability: float = 0.5) -> Observed:
    return Observed(1, sum(counts), probability, np.array(counts, np.float64))


def test_workers_add_up_and_versions_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = DriftCounts(tmp_path), DriftCounts(tmp_path)
    assert one.total("v1") is None
    one.add("v1", observed(1, 2))
    one.add("v1", observed(0, 1))
    monkeypatch.setattr("os.getpid", lambda: 77)  # as the other worker has an id of its own
    other.add("v1", observed(10, 0))
    other.add("v/2", observed(5, 5))
    for counts in (one, other):
        total = counts.total("v1")
        assert total is not None
        assert (total.num_answers, total.num_candidates, total.sum_probability) == (3, 14, 1.5)
        assert total.counts_T.tolist() == [11, 3]
    second = one.total("v/2")
    assert second is not None and second.counts_T.tolist() == [5, 5]
    alone = DriftCounts()
    alone.add("v1", observed(4, 4))
    found = alone.total("v1")
    assert found is not None and found.as_vector().tolist() == [1, 8, 0.5, 4, 4]
    assert alone.total("v2") is None
