"""Two workers answer as one: what one of them is told, the other knows, and their measurements add up."""

from __future__ import annotations

import http.client
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import WAIT_SECONDS, Server, exchange
from tests.shops import NO_HASTE, planted_pairs

Worker = Callable[..., Any]


@pytest.fixture
def workers(directory: Path, serve: Callable[..., Server]) -> Iterator[list[Worker]]:
    """Two workers of a new shop."""
    with connected(serve(directory, "--workers", "2")) as found:
        yield found


@pytest.fixture
def trained_workers(trained_shop: Path, tmp_path: Path, serve: Callable[..., Server]) -> Iterator[list[Worker]]:
    """Two workers of a trained shop."""
    directory = shutil.copytree(trained_shop, tmp_path / "trained")
    (directory / "aisle.yaml").write_text(NO_HASTE)
    with connected(serve(directory, "--workers", "2")) as found:
        yield found


@pytest.fixture
def ranked_workers(ranked_shop: Path, tmp_path: Path, serve: Callable[..., Server]) -> Iterator[list[Worker]]:
    """Two workers of a shop with a ranker."""
    directory = shutil.copytree(ranked_shop, tmp_path / "ranked")
    (directory / "aisle.yaml").write_text(NO_HASTE)
    with connected(serve(directory, "--workers", "2")) as found:
        yield found


@contextmanager
def connected(server: Server) -> Iterator[list[Worker]]:
    """One open connection to each worker: a connection stays with the worker that accepted it."""
    connections: dict[str, http.client.HTTPConnection] = {}
    deadline = time.monotonic() + WAIT_SECONDS
    while len(connections) < 2:
        assert time.monotonic() < deadline, f"only {len(connections)} worker answered"
        connection = server.connect()
        _, _, name = exchange(connection, "GET", "/healthz")
        if name in connections:
            connection.close()
            time.sleep(0.02)
        else:
            connections[name] = connection

    def worker(name: str) -> Worker:
        def call(method: str, path: str, body: Any = None) -> Any:
            status, answer, answered_by = exchange(connections[name], method, path, body)
            assert status < 300, answer
            assert answered_by == name
            return answer

        return call

    yield [worker(name) for name in connections]
    for connection in connections.values():
        connection.close()


def purchases(item_id: str, number: int) -> dict[str, Any]:
    return {"events": [{"type": "purchase", "user_id": f"u-{item_id}-{n}", "item_id": item_id} for n in range(number)]}


def popular(worker: Worker) -> list[str]:
    answer = worker("POST", "/v1/recommendations", {"placement": "popular"})
    return [item["item_id"] for item in answer["items"]]


def test_what_one_worker_is_told_changes_the_next_answer_of_the_other(workers: list[Worker]) -> None:
    one, other = workers
    one("POST", "/v1/items", {"items": [{"item_id": "a"}, {"item_id": "b"}]})
    other("POST", "/v1/events", purchases("a", 2))
    assert popular(one) == popular(other) == ["a"]
    one("POST", "/v1/events", purchases("b", 3))
    assert popular(other) == ["b", "a"]
    other("POST", "/v1/events", purchases("a", 2))
    assert popular(one) == ["a", "b"]
    one("PUT", "/v1/items/a", {"available": False})
    assert popular(other) == ["b"]
    other("DELETE", "/v1/items/b")
    assert popular(one) == []
    one("DELETE", "/v1/users/u-a-0")
    assert other("GET", "/v1/users/u-a-0/events") == {"events": []}


def test_measurements_and_the_report_are_of_both_workers(workers: list[Worker]) -> None:
    one, other = workers
    one("POST", "/v1/items", {"items": [{"item_id": "a"}]})
    one("POST", "/v1/events", purchases("a", 3))
    other("POST", "/v1/events", purchases("b", 2))
    for number, worker in ((1, one), (4, other)):
        for _ in range(number):
            popular(worker)
    for worker in workers:
        samples = samples_of(worker)
        assert samples["aisle_events_total", "accepted"] == 5
        assert samples["aisle_recommendations_total", "popular"] == 5
        assert samples["aisle_http_requests_total", "/v1/events", "202", "POST"] == 2
        assert samples["aisle_http_request_seconds_count", "/v1/recommendations"] == 5
    deadline = time.monotonic() + WAIT_SECONDS  # the other worker's served log is written in the background
    while (report := one("GET", "/v1/report")["placements"].get("popular", {})).get("answers") != 5:
        assert time.monotonic() < deadline, report
        time.sleep(0.05)
    assert report["served"] == 10, "a and b in each of five answers"


def samples_of(worker: Worker) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(worker("GET", "/metrics"))
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def test_drift_is_measured_over_both_workers(ranked_workers: list[Worker]) -> None:
    one, other = ranked_workers
    for number, worker in ((3, one), (2, other)):
        for _ in range(number):
            for_you(worker, "user-00003")
    assert [samples_of(worker)["aisle_drift_answers",] for worker in ranked_workers] == [5, 5]
    for _ in range(195):
        for_you(other, "user-00003")
    seen = [
        {key: value for key, value in samples_of(worker).items() if key[0] == "aisle_feature_drift"}
        for worker in ranked_workers
    ]
    assert len(seen[0]) > 20
    assert seen[0] == seen[1]
    assert seen[0]["aisle_feature_drift", "user_count"] > 1, "one visitor is not the shop's customers"


def for_you(worker: Worker, user_id: str) -> list[str]:
    answer = worker("POST", "/v1/recommendations", {"placement": "for-you", "user_id": user_id, "limit": 10})
    assert answer["degraded"] == []
    return [item["item_id"] for item in answer["items"]]


def test_a_purchase_told_to_one_brings_its_complement_into_the_answer_of_the_other(
    trained_workers: list[Worker], trained_shop: Path
) -> None:
    one, other = trained_workers
    num_new = num_missing = 0
    pairs = planted_pairs(trained_shop)
    for number, (bought, complement) in enumerate(pairs):
        before = for_you(other, f"new-{number}")
        event = {"type": "purchase", "user_id": f"new-{number}", "item_id": bought}
        assert one("POST", "/v1/events", {"events": [event]})["accepted"] == 1
        after = for_you(other, f"new-{number}")
        assert after != before
        assert after == for_you(one, f"new-{number}")
        num_missing += complement not in before
        num_new += complement in after and complement not in before
    assert num_missing >= 5
    assert num_new > 0.5 * num_missing


def test_connections_opened_at_once_are_spread_over_the_workers(directory: Path, serve: Callable[..., Server]) -> None:
    server = serve(directory, "--workers", "2")
    with connected(server), ExitStack() as stack:  # both are there
        connections = [stack.enter_context(closing(server.connect())) for _ in range(40)]
        for connection in connections:
            connection.request("GET", "/healthz")
        names: Counter[str | None] = Counter()
        for connection in connections:
            response = connection.getresponse()
            response.read()
            names[response.headers["x-aisle-worker"]] += 1
    assert len(names) == 2
    assert min(names.values()) >= 5, "40 fair draws have fewer than 5 once in ten million times"
