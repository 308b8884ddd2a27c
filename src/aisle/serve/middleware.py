"""What happens to every call around its endpoint: paths with encoded slashes, limits of bodies, measurement, log."""

from __future__ import annotations

import os
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aisle.serve.faults import problem
from aisle.serve.instruments import Instruments
from aisle.serve.logs import CALL_ID, log_call
from aisle.serve.path_ids import decode_segment

WORKER_HEADER = "x-aisle-worker"
#: Names the call in the log; unlike the `request_id` of recommendations it leads to nobody.
REQUEST_ID_HEADER = "x-request-id"
_PATHS_WITH_IDS = (b"/v1/", b"/products/", b"/pictures/")


class EncodedPaths:
    """Keeps ``%2F`` inside an id apart from the slashes of the path, so that an id may contain any character.

    Servers hand over a decoded path in which the two are the same. Here each segment is decoded alone, and only what
    would be ambiguous (slash and percent) stays encoded, for the path parameter to decode.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite a path that may name an id; all others pass as they are."""
        raw_path: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and raw_path.startswith(_PATHS_WITH_IDS) and b"%" in raw_path:
            scope["path"] = "/".join(map(decode_segment, raw_path.decode("latin-1").split("/")))
        await self._app(scope, receive, send)


class BodyLimit:
    """Reads a body before its endpoint does, and refuses one that is too long with 413 as soon as that is known."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the whole body on as one message."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        body = None
        if not declared.isdecimal() or int(declared) <= self._max_body_bytes:
            body = await self._read(receive)
        if body is None:
            detail = f"expected a body of at most {self._max_body_bytes} bytes; send smaller batches"
            await problem(413, detail, {"connection": "close"})(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or None where it is too long."""
        parts: list[bytes] = []
        num_bytes = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)  # the client has gone; the endpoint's answer reaches nobody
            parts.append(message.get("body", b""))
            num_bytes += len(parts[-1])
            if num_bytes > self._max_body_bytes:
                return None
            if not message.get("more_body", False):
                return b"".join(parts)


class Measurement:
    """Counts, times and logs every call by its route, and names it and the worker that answered."""

    def __init__(self, app: ASGIApp, *, instruments: Instruments) -> None:
        self._app = app
        self._instruments = instruments
        self._worker = str(os.getpid())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        call_id = uuid.uuid4().hex
        CALL_ID.set(call_id)
        status = 500  # what the server answers where the app raises
        is_noted = False

        def note() -> None:
            nonlocal is_noted
            is_noted = True
            # The router leaves its route in the scope; paths themselves would be an unbounded label.
            route = getattr(scope.get("route"), "path_format", "unmatched")
            seconds = time.perf_counter() - started
            self._instruments.observe_call(scope["method"], route, status, seconds)
            log_call(scope["method"], route, status, seconds)

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[WORKER_HEADER] = self._worker
                headers[REQUEST_ID_HEADER] = call_id
            elif not message.get("more_body", False):
                note()  # before the last byte leaves: who has the answer finds it counted
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            if not is_noted:
                note()
