"""Under overload: as many recommendations wait as the settings say, more are refused at once, all else goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from aisle.serve.answer_lane import NUM_THREADS
from tests.serve.conftest import purchase, service_of

#: More than are answered at once, so that some wait for a thread.
MAX_CALLS = NUM_THREADS + 5


def ask(client: TestClient) -> Any:
    return client.post("/v1/recommendations", json={"placement": "popular"})


def test_more_than_the_settings_say_are_refused_and_all_other_calls_go_on(
    start: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(f"server: {{max_recommendations_at_once: {MAX_CALLS}}}")
    recommender = service_of(client).recommender
    num_begun, is_free, recommend = threading.Semaphore(0), threading.Event(), recommender.recommend

    def recommend_when_free(request: Any) -> Any:
        num_begun.release()
        assert is_free.wait(30)
        return recommend(request)

    monkeypatch.setattr(recommender, "recommend", recommend_when_free)
    with ThreadPoolExecutor(MAX_CALLS) as pool:
        waiting = [pool.submit(ask, client) for _ in range(MAX_CALLS)]
        try:
            for _ in range(NUM_THREADS):
                assert num_begun.acquire(timeout=30)
            until = time.monotonic() + 30
            while service_of(client).answers.num_calls < MAX_CALLS:
                assert time.monotonic() < until
                time.sleep(0.01)
            refusal = ask(client)
            assert refusal.status_code == 503 and refusal.headers["retry-after"] == "1"
            assert f"{MAX_CALLS} recommendations are asked for at once already" in refusal.json()["detail"]
            assert client.post("/v1/events", json={"events": [purchase("ann", "tea")]}).status_code == 202
            for path in ("/healthz", "/readyz", "/metrics", "/v1/report", "/"):
                assert client.get(path).status_code == 200, path
            assert not any(call.done() for call in waiting)
        finally:
            is_free.set()
        assert {call.result().status_code for call in waiting} == {200}, "who was let in was answered"
    assert ask(client).status_code == 200, "and there is room again"


def test_a_call_that_fails_leaves_its_place(start: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    client = start("server: {max_recommendations_at_once: 1}")
    with monkeypatch.context() as broken:
        broken.setattr(service_of(client).recommender, "recommend", None)
        assert {ask(client).status_code for _ in range(3)} == {500}
    assert ask(client).status_code == 200
