"""Who may call: the admin key, the public write-only key, the origins of browsers, and where a server may listen."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from aisle.errors import ConfigError
from aisle.serve.faults import problem
from aisle.serve.storefront.sign_in import COOKIE_NAME, is_valid_pass

Role = Literal["admin", "write", "storefront"]

#: What the write-only key may do: send events, nothing else.
WRITE_CALLS = frozenset({("POST", "/v1/events")})
#: What it may do beside that where the settings name placements for browsers; the endpoint holds it to those.
BROWSER_CALL = ("POST", "/v1/recommendations")
#: Where the role of the caller stands for endpoints, in a call's scope; missing where the server has no keys.
ROLE_IN_SCOPE = "aisle.role"
#: Documents and scripts without any data of the shop.
_OPEN_DOCUMENTS = ("/storefront/", "/aisle.js", "/sign-in", "/docs", "/openapi.json", "/favicon.ico")
#: The storefront's pages, beside "/": a person is sent to the sign-in page from there.
_PAGES = ("/products", "/cart", "/visitors", "/pictures/")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Keys:
    """The keys of a server; none at all means that every caller is trusted (and the server stays on loopback)."""

    admin: str | None = None
    write: str | None = None

    def __post_init__(self) -> None:
        if self.write is not None and self.admin is None:
            raise ConfigError(
                "server.write_key is set without server.admin_key: nobody could administer this server; "
                "set server.admin_key in aisle.yaml too"
            )
        if self.admin is not None and self.admin == self.write:
            raise ConfigError(
                "server.admin_key and server.write_key are equal, but the write-only key is public; choose another one"
            )

    @property
    def are_set(self) -> bool:
        """Whether calls are checked at all."""
        return self.admin is not None

    def role(self, key: str) -> Role | None:
        """Whose key this is; both are compared in constant time, whatever the first comparison says."""
        is_admin = _equal(key, self.admin)
        is_write = _equal(key, self.write)
        return "admin" if is_admin else "write" if is_write else None


def check_binding(host: str, keys: Keys) -> None:
    """Refuse to listen beyond this machine without keys.

    Raises:
        ConfigError: the host is not a loopback address and no admin key is set.
    """
    if keys.are_set or _is_loopback(host):
        return
    raise ConfigError(
        f"without keys the server listens on loopback only (127.0.0.1, ::1 or localhost), received --host {host}; "
        "set server.admin_key (and server.write_key for browsers) in aisle.yaml to serve other machines"
    )


class AccessGuard:
    """ASGI middleware that checks the key and the origin of every call before anything else reads it."""

    def __init__(
        self, app: ASGIApp, *, keys: Keys, allowed_origins: Sequence[str] = (), has_browser_placements: bool = False
    ) -> None:
        self._app = app
        self._keys = keys
        self._write_calls = WRITE_CALLS | {BROWSER_CALL} if has_browser_placements else WRITE_CALLS
        self._allowed_origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through, or answer 401 or 403."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refusal = (
                self._refuse_host(headers) or self._refuse_origin(scope, headers) or self._refuse_key(scope, headers)
            )
            if refusal is not None:
                status, detail = refusal
                if status == 401 and scope["method"] == "GET" and _is_page(scope["path"]):
                    await RedirectResponse("/sign-in", 303)(scope, receive, send)
                    return
                challenge = {"www-authenticate": 'Bearer realm="aisle"'} if status == 401 else None
                await problem(status, detail, challenge)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refuse_host(self, headers: Headers) -> tuple[int, str] | None:
        """Without keys only this machine may call, and not through a foreign name that was made to point here."""
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        if self._keys.are_set or host is None or _is_loopback(host):
            return None
        return 403, f"without keys the server answers to localhost only, received the host {host[:200]!r}"

    def _refuse_key(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        path: str = scope["path"]
        if not self._keys.are_set or path.startswith(_OPEN_DOCUMENTS):
            return None
        if self._may_by_pass(scope, headers):
            scope[ROLE_IN_SCOPE] = "storefront"
            return None
        scheme, _, header_key = headers.get("authorization", "").partition(" ")
        if header_key:
            role = self._keys.role(header_key.strip()) if scheme.lower() == "bearer" else None
        else:
            query_keys = parse_qs(scope["query_string"].decode("latin-1")).get("key", [])
            role = self._keys.role(query_keys[0]) if len(query_keys) == 1 else None
            if role == "write":
                _read_text_as_json(scope)
            if role == "admin":
                # Addresses end up in logs and histories, so the admin key is not taken from there.
                return 401, "the admin key must travel in the header (Authorization: Bearer KEY), received it as ?key="
        if role is None:
            return 401, "expected a key of this server: send the header Authorization: Bearer KEY"
        if role == "write" and (scope["method"], path) not in self._write_calls:
            return 403, "the write-only key may send events (POST /v1/events) and nothing else; use the admin key"
        scope[ROLE_IN_SCOPE] = role
        return None

    def _may_by_pass(self, scope: Scope, headers: Headers) -> bool:
        """Whether the storefront's cookie opens this call; to change anything it must come from our own pages."""
        if "authorization" in headers or self._keys.admin is None:
            return False
        is_read = scope["method"] in _SAFE_METHODS
        if not is_read and urlsplit(headers.get("origin", "")).netloc != headers.get("host"):
            return False
        is_ours = _is_page(scope["path"]) or (scope["method"], scope["path"]) in WRITE_CALLS | {BROWSER_CALL}
        return is_ours and is_valid_pass(_cookie(headers, COOKIE_NAME), self._keys.admin, time.time())

    def _refuse_origin(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """A page of another site must not change anything here through its visitor's browser."""
        origin = headers.get("origin")
        if origin is None or scope["method"] in _SAFE_METHODS or origin in self._allowed_origins:
            return None
        if urlsplit(origin).netloc == headers.get("host"):
            return None
        return 403, f"the origin {origin[:200]!r} is not allowed; add it to server.allowed_origins in aisle.yaml"


def _is_page(path: str) -> bool:
    return path == "/" or path.startswith(_PAGES)


def _cookie(headers: Headers, name: str) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def _read_text_as_json(scope: Scope) -> None:
    """Browsers send a beacon as text, which needs no preflight; with a key it is known to be meant for us."""
    scope["headers"] = [
        (name, b"application/json" if name == b"content-type" and value.startswith(b"text/plain") else value)
        for name, value in scope["headers"]
    ]


def _equal(received: str, expected: str | None) -> bool:
    if expected is None:
        return False
    # Hashed first, so that not even the length of the key can be told from the time taken.
    return hmac.compare_digest(_digest(received), _digest(expected))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
