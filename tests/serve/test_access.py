"""Keys and origins: who may make which call."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from aisle.errors import ConfigError
from aisle.serve.access import Keys, check_binding

ADMIN, WRITE = "admin-key-1234", "write-key-5678"
KEYS = f"server: {{admin_key: {ADMIN}, write_key: {WRITE}}}"

CALLS = [
    ("POST", "/v1/events", {"events": []}, 202),
    ("GET", "/v1/items", None, 200),
    ("POST", "/v1/items", {"items": []}, 200),
    ("PUT", "/v1/items/a", {}, 200),
    ("GET", "/v1/items/a", None, 404),
    ("DELETE", "/v1/items/a", None, 200),
    ("GET", "/v1/users", None, 200),
    ("PUT", "/v1/users/a", {}, 200),
    ("GET", "/v1/users/a", None, 404),
    ("GET", "/v1/users/a/events", None, 200),
    ("DELETE", "/v1/users/a", None, 200),
    ("POST", "/v1/recommendations", {"placement": "popular"}, 200),
    ("GET", "/v1/models", None, 200),
    ("POST", "/v1/models/none:activate", None, 404),
    ("GET", "/v1/report", None, 200),
    ("GET", "/healthz", None, 200),
    ("GET", "/readyz", None, 200),
    ("GET", "/metrics", None, 200),
]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def keyed(start: Callable[..., TestClient]) -> TestClient:
    return start(KEYS)


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
def test_every_call_with_each_key(
    keyed: TestClient, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    is_events = path == "/v1/events"

    def call(query: str = "", headers: dict[str, str] | None = None) -> int:
        return keyed.request(method, path + query, json=body, headers=headers).status_code

    assert call() == 401
    assert call(headers=bearer("wrong")) == 401
    assert call(headers={"authorization": ADMIN}) == 401
    assert call(headers={"authorization": f"Basic {ADMIN}"}) == 401
    assert call(headers=bearer(WRITE)) == (202 if is_events else 403)
    assert call(query=f"?key={WRITE}") == (202 if is_events else 403)
    assert call(query=f"?key={ADMIN}") == 401, "the admin key must not travel in an address"
    assert call(query="?key=wrong") == 401
    assert call(query=f"?key={WRITE}&key={WRITE}") == 401
    assert call(query=f"?key={WRITE}", headers=bearer("wrong")) == 401
    assert call(headers=bearer(ADMIN)) == status


def test_a_refusal_says_what_to_do(keyed: TestClient) -> None:
    response = keyed.get("/v1/models")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization: Bearer KEY" in response.json()["detail"]


def test_documents_without_data_are_open(keyed: TestClient) -> None:
    for path in ("/", "/page/page.js", "/page/page.css", "/docs", "/openapi.json"):
        assert keyed.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/page/../v1/models", "/page/%2e%2e/v1/models", "//v1/models", "/docs/../v1/models"])
def test_no_detour_leads_past_the_key(keyed: TestClient, path: str) -> None:
    assert keyed.get(path).status_code in (401, 404)


def test_a_beacon_may_send_events_as_text_with_the_key_in_the_address(keyed: TestClient) -> None:
    content = b'{"events": [{"type": "view", "session_id": "s", "item_id": "a"}]}'
    response = keyed.post(
        f"/v1/events?key={WRITE}", content=content, headers={"content-type": "text/plain;charset=UTF-8"}
    )
    assert (response.status_code, response.json()["accepted"]) == (202, 1)


def test_without_keys_every_call_is_open(client: TestClient) -> None:
    for method, path, body, _ in CALLS:
        assert client.request(method, path, json=body).status_code not in (401, 403)
        assert client.request(method, path, json=body, headers=bearer("any")).status_code not in (401, 403)


def test_a_write_key_alone_and_equal_keys_are_configuration_errors(start: Callable[..., TestClient]) -> None:
    with pytest.raises(ConfigError, match="admin_key"):
        start(f"server: {{write_key: {WRITE}}}")
    with pytest.raises(ConfigError, match="equal"):
        start(f"server: {{admin_key: {ADMIN}, write_key: {ADMIN}}}")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]"])
def test_loopback_needs_no_keys(host: str) -> None:
    check_binding(host, Keys())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "shop.example", ""])
def test_other_hosts_need_keys(host: str) -> None:
    with pytest.raises(ConfigError, match="loopback only"):
        check_binding(host, Keys())
    check_binding(host, Keys(admin=ADMIN))


ORIGIN = "https://shop.example"


def test_an_allowed_origin_is_told_so_also_before_the_key(start: Callable[..., TestClient]) -> None:
    client = start(f"server: {{admin_key: {ADMIN}, write_key: {WRITE}, allowed_origins: ['{ORIGIN}']}}")
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,authorization"}
    preflight = client.options("/v1/events", headers={"origin": ORIGIN, **asked})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    answer = client.post("/v1/events", json={"events": []}, headers={"origin": ORIGIN, **bearer(WRITE)})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (202, ORIGIN)
    other = client.options("/v1/events", headers={"origin": "https://evil.example", **asked})
    assert other.status_code == 400
    assert "access-control-allow-origin" not in other.headers


def test_a_page_of_another_site_changes_nothing(client: TestClient) -> None:
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}):
        response = client.post("/v1/models/x:activate", headers=headers)
        assert response.status_code == 403
        assert "allowed_origins" in response.json()["detail"]
    assert client.post("/v1/models/x:activate", headers={"origin": "http://127.0.0.1"}).status_code == 404
    assert client.get("/v1/models", headers={"origin": "https://evil.example"}).status_code == 200


def test_without_keys_a_foreign_name_for_this_machine_is_refused(start: Callable[..., TestClient]) -> None:
    client = start()
    foreign = {"host": "evil.example:8000", "origin": "http://evil.example:8000"}
    for method, path in (("GET", "/v1/users"), ("POST", "/v1/events"), ("GET", "/"), ("DELETE", "/v1/users/u")):
        assert client.request(method, path, headers=foreign).status_code == 403
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.get("/v1/users", headers={"host": host}).status_code == 200
    with_keys = start(f"server: {{admin_key: {ADMIN}}}")
    assert with_keys.get("/v1/users", headers={"host": "shop.example", **bearer(ADMIN)}).status_code == 200
