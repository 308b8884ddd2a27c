"""Every answer, whatever became of the call, tells browsers what they may do with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.serve.conftest import service_of
from tests.serve.test_access import ADMIN, CALLS, KEYS, WRITE, bearer

ORIGIN = "https://shop.example"


def assert_guarded(headers: object, path: str) -> None:
    told = dict(headers.items())  # type: ignore[attr-defined]
    assert told["x-content-type-options"] == "nosniff"
    assert told["referrer-policy"] in ("no-referrer", "same-origin", "strict-origin-when-cross-origin")
    assert "frame-ancestors 'none'" in told["content-security-policy"]
    assert len(told["x-request-id"]) == 32
    assert told["x-aisle-worker"].isdecimal()
    if path.startswith("/v1/"):
        assert told["cache-control"] == "no-store"


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
def test_answers_and_refusals(
    start: Callable[..., TestClient], method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    client = start(KEYS)
    answer = client.request(method, path, json=body, headers=bearer(ADMIN))
    assert answer.status_code == status
    assert_guarded(answer.headers, path)
    refusal = client.request(method, path, json=body)
    assert refusal.status_code == 401
    assert_guarded(refusal.headers, path)
    assert answer.headers["x-request-id"] != refusal.headers["x-request-id"]


def test_errors_too(start: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    client = start(f"server: {{max_body_bytes: 1000, allowed_origins: ['{ORIGIN}']}}")

    def fail(item_id: str) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(service_of(client).store, "get_item", fail)
    unexpected = client.get("/v1/items/a", headers={"origin": ORIGIN})
    assert unexpected.status_code == 500
    assert unexpected.headers["access-control-allow-origin"] == ORIGIN, "a page may read that it failed"
    assert_guarded(unexpected.headers, "/v1/items/a")
    for answer, status in (
        (client.get("/nowhere"), 404),
        (client.get("/v1/nowhere"), 404),
        (client.patch("/v1/items/a"), 405),
        (client.post("/v1/events", content=b"x" * 1001), 413),
        (client.post("/v1/events", content=b"{"), 422),
        (client.post("/v1/events", json={}, headers={"origin": "https://evil.example"}), 403),
        (client.get("/v1/items/a", headers={"host": "evil.example"}), 403),
    ):
        assert answer.status_code == status
        assert_guarded(answer.headers, answer.request.url.path)


def test_a_preflight_of_events_as_json_is_answered_before_any_key(start: Callable[..., TestClient]) -> None:
    client = start(f"server: {{admin_key: {ADMIN}, write_key: {WRITE}, allowed_origins: ['{ORIGIN}']}}")
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
    preflight = client.options("/v1/events", headers={**asked, "access-control-request-headers": "content-type"})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in preflight.headers, "keys travel in the call, cookies never"
    assert_guarded(preflight.headers, "/v1/events")
    refused = client.options("/v1/events", headers={**asked, "access-control-request-headers": "x-other"})
    assert refused.status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain;charset=UTF-8", "application/json"])
def test_a_page_sends_events_as_text_or_as_json(start: Callable[..., TestClient], content_type: str) -> None:
    client = start(f"server: {{admin_key: {ADMIN}, write_key: {WRITE}, allowed_origins: ['{ORIGIN}']}}")
    content = b'{"events": [{"type": "view", "session_id": "s", "item_id": "a"}]}'

    def post(origin: str) -> tuple[int, str | None]:
        answer = client.post(
            f"/v1/events?key={WRITE}", content=content, headers={"content-type": content_type, "origin": origin}
        )
        return answer.status_code, answer.headers.get("access-control-allow-origin")

    assert post(ORIGIN) == (202, ORIGIN)
    assert post("https://evil.example") == (403, None)
