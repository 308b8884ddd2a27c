"""Token buckets counted by hand, and the answer 429 to who calls too often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from aisle.serve.rate_limits import TokenBuckets, caller_of
from tests.serve.test_access import ADMIN, WRITE, bearer
from tests.serve.test_operations import scrape, value

#: So slow that no token comes back during a test.
NEVER = 0.0001


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_a_rate() -> None:
    clock = Clock()
    buckets = TokenBuckets(2.0, 3, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5], "two a second: the next one in half a second"
    clock.now += 0.25
    assert buckets.take("a") == 0.25, "a refused call costs nothing"
    clock.now += 0.25
    assert [buckets.take("a"), buckets.take("a")] == [0, 0.5]
    clock.now += 1000
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5], "never more than the burst"


def test_callers_do_not_know_each_other() -> None:
    buckets = TokenBuckets(1.0, 1, clock=Clock())
    assert [buckets.take("a"), buckets.take("b"), buckets.take("a"), buckets.take("b")] == [0, 0, 1, 1]


def test_who_rests_until_full_is_forgotten() -> None:
    clock = Clock()
    buckets = TokenBuckets(1.0, 10, clock=clock)
    for number in range(5):
        buckets.take(f"early {number}")
    clock.now += 9
    buckets.take("late")
    assert len(buckets) == 6
    clock.now += 1  # ten seconds fill a bucket
    buckets.take("late")
    assert len(buckets) == 1


def test_memory_is_bounded_also_against_many_addresses() -> None:
    buckets = TokenBuckets(NEVER, 1, clock=Clock(), max_callers=100)
    for number in range(1000):
        assert buckets.take(f"caller {number}") == 0
    assert len(buckets) == 100
    assert buckets.take("caller 999") > 0, "who called last is remembered"


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.floats(0.1, 5), st.integers(1, 5))
def test_no_more_than_burst_and_rate_allow(pauses: list[float], rate: float, burst: int) -> None:
    clock = Clock()
    buckets = TokenBuckets(rate, burst, clock=clock)
    allowed = 0
    for pause in pauses:
        clock.now += pause
        allowed += buckets.take("a") == 0
    assert allowed <= burst + rate * sum(pauses) + 1e-6
    assert allowed >= min(len(pauses), burst)


@pytest.mark.parametrize(
    ("host", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_who_a_caller_is(host: str, caller: str) -> None:
    assert caller_of({"client": (host, 4711)}) == caller
    assert caller_of({"client": None}) == "unknown"


def send(client: TestClient, key: str | None = None) -> Any:
    return client.post("/v1/events", json={"events": []}, headers=bearer(key) if key else None)


def ask(client: TestClient, key: str | None = None) -> Any:
    return client.post("/v1/recommendations", json={"placement": "popular"}, headers=bearer(key) if key else None)


def test_without_settings_nothing_is_limited(client: TestClient) -> None:
    assert {send(client).status_code for _ in range(150)} == {202}


def test_events_and_recommendations_are_limited_apart(start: Callable[..., TestClient]) -> None:
    rates = f"recommendations_per_second: {NEVER}, events_per_second: 0.5, burst: 2"
    client = start(f"server: {{rate_limits: {{{rates}}}}}")
    assert [send(client).status_code for _ in range(3)] == [202, 202, 429]
    assert [ask(client).status_code for _ in range(3)] == [200, 200, 429]
    refusal = send(client)
    assert refusal.headers["retry-after"] == "2", "half a call a second"
    assert refusal.json()["detail"].startswith("too many calls for events by this address; call again in 2 s")
    for _ in range(5):
        assert client.get("/v1/models").status_code == 200, "other calls are not limited"
        assert client.get("/healthz").status_code == 200
    samples = scrape(client)
    assert value(samples, "aisle_rate_limited_total", calls="events", by="address") == 2
    assert value(samples, "aisle_rate_limited_total", calls="recommendations", by="address") == 1
    assert value(samples, "aisle_http_requests_total", method="POST", route="unmatched", status="429") == 3


def test_all_who_use_a_key_are_limited_together_and_keys_apart(start: Callable[..., TestClient]) -> None:
    per_key = f"per_key: {{events_per_second: {NEVER}, burst: 2}}"
    client = start(f"server: {{admin_key: {ADMIN}, write_key: {WRITE}, rate_limits: {{{per_key}}}}}")
    assert [send(client, WRITE).status_code for _ in range(3)] == [202, 202, 429]
    assert "by this key" in send(client, WRITE).json()["detail"]
    assert client.post(f"/v1/events?key={WRITE}", json={"events": []}).status_code == 429, "the same key"
    assert [send(client, ADMIN).status_code for _ in range(3)] == [202, 202, 429]
    assert {send(client).status_code, send(client, "wrong").status_code} == {401}
    assert {ask(client, ADMIN).status_code for _ in range(5)} == {200}
    assert value(scrape_with(client, ADMIN), "aisle_rate_limited_total", calls="events", by="key") == 4


def scrape_with(client: TestClient, key: str) -> dict[Any, float]:
    client.headers.update(bearer(key))
    return scrape(client)


def test_who_has_no_key_uses_up_nothing(start: Callable[..., TestClient]) -> None:
    limits = f"events_per_second: {NEVER}, burst: 1, per_key: {{events_per_second: {NEVER}, burst: 1}}"
    client = start(f"server: {{admin_key: {ADMIN}, rate_limits: {{{limits}}}}}")
    assert {send(client, "wrong").status_code for _ in range(5)} == {401}
    assert send(client, ADMIN).status_code == 202
    assert send(client, ADMIN).status_code == 429


def test_a_browser_may_read_why_it_was_refused(start: Callable[..., TestClient]) -> None:
    origin = "https://shop.example"
    client = start(
        f"server: {{admin_key: {ADMIN}, write_key: {WRITE}, allowed_origins: ['{origin}'], "
        f"rate_limits: {{events_per_second: {NEVER}, burst: 1}}}}"
    )
    headers = {**bearer(WRITE), "origin": origin}
    assert client.post("/v1/events", json={"events": []}, headers=headers).status_code == 202
    refusal = client.post("/v1/events", json={"events": []}, headers=headers)
    assert refusal.status_code == 429
    assert refusal.headers["access-control-allow-origin"] == origin
    assert "retry-after" in refusal.headers["access-control-expose-headers"].lower()
