"""Keys and origins: who may make which call."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from httpx import Response
from starlette.testclient import TestClient

from aisle.errors import ConfigError
from aisle.serve.access import Keys, check_binding
from aisle.serve.storefront.sign_in import COOKIE_NAME, VALID_SECONDS, is_valid_pass, new_pass

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
    for path in ("/aisle.js", "/storefront/storefront.js", "/sign-in", "/docs", "/openapi.json"):
        assert keyed.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/storefront/../v1/models",
        "/storefront/%2e%2e/v1/models",
        "/products/%2e%2e/v1/models",
        "//v1/models",
        "/docs/../v1/models",
    ],
)
def test_no_detour_leads_past_the_key(keyed: TestClient, path: str) -> None:
    assert keyed.get(path, follow_redirects=False).status_code in (303, 401, 404)


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


BROWSERS = f"server: {{admin_key: {ADMIN}, write_key: {WRITE}, browser_placements: [popular, similar-items]}}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"placement": "popular"}, 200),
        ({"placement": "similar-items", "items": ["a"], "fields": ["title"]}, 200),
        ({"placement": "for-you"}, 403),
        ({"placement": "popular", "explain": True}, 403),
        ({"placement": "nowhere"}, 422),
    ],
)
def test_the_write_key_may_ask_for_the_placements_of_browsers(
    start: Callable[..., TestClient], body: dict[str, object], status: int
) -> None:
    client = start(BROWSERS)
    assert client.post("/v1/recommendations", json=body, headers=bearer(WRITE)).status_code == status
    as_text = client.post(
        f"/v1/recommendations?key={WRITE}", content=json.dumps(body), headers={"content-type": "text/plain"}
    )
    assert as_text.status_code == status
    admin = client.post("/v1/recommendations", json=body, headers=bearer(ADMIN))
    assert admin.status_code == (422 if status == 422 else 200)


def test_with_placements_for_browsers_the_write_key_still_opens_nothing_else(start: Callable[..., TestClient]) -> None:
    client = start(BROWSERS)
    for method, path, body, _ in CALLS:
        if path not in ("/v1/events", "/v1/recommendations"):
            assert client.request(method, path, json=body, headers=bearer(WRITE)).status_code == 403


def test_an_unknown_placement_for_browsers_is_a_configuration_error(start: Callable[..., TestClient]) -> None:
    with pytest.raises(ConfigError, match="browser_placements"):
        start("server: {browser_placements: [for-me]}")


def signed_in(client: TestClient, key: str = ADMIN) -> Response:
    return client.post("/sign-in", data={"key": key}, follow_redirects=False)


SAME_ORIGIN = {"origin": "http://127.0.0.1"}


def test_the_storefront_asks_for_the_admin_key(keyed: TestClient) -> None:
    for path in ("/", "/products", "/products/tea", "/cart", "/visitors", "/pictures/tea"):
        answer = keyed.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    for key in (WRITE, "wrong", ""):
        refused = signed_in(keyed, key)
        assert refused.status_code == 401 and "set-cookie" not in refused.headers
    cookie = signed_in(keyed).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and ADMIN not in cookie
    assert keyed.get("/").status_code == 200


def test_the_storefronts_pass_opens_its_pages_and_their_two_calls_alone(keyed: TestClient) -> None:
    signed_in(keyed)
    for method, path, body, _ in CALLS:
        is_theirs = path in ("/v1/events", "/v1/recommendations")
        status = keyed.request(method, path, json=body, headers=SAME_ORIGIN).status_code
        assert status in ((200, 202) if is_theirs else (401,)), path
    for headers in ({}, {"origin": "http://127.0.0.1:81"}):
        assert keyed.post("/v1/events", json={"events": []}, headers=headers).status_code in (401, 403)
        assert keyed.post("/cart", data={"item_id": "tea"}, headers=headers).status_code in (401, 403)


def test_a_pass_ends_and_cannot_be_forged(keyed: TestClient) -> None:
    made = new_pass(ADMIN, 1000.0)
    assert is_valid_pass(made, ADMIN, 1000.0 + VALID_SECONDS - 1)
    assert not is_valid_pass(made, ADMIN, 1000.0 + VALID_SECONDS)
    assert not is_valid_pass(made, "another-admin-key", 1000.0)
    late = f"{2 * 10**9}.{made.partition('.')[2]}"
    for forged in (late, "", ".", "x", new_pass(WRITE, time.time()), "\udcff.\udcff"):
        assert not is_valid_pass(forged, ADMIN, 1000.0)
    for forged in (late, "x.y", '"', "9"):
        keyed.cookies.set(COOKIE_NAME, forged)
        assert keyed.get("/", follow_redirects=False).status_code == 303
