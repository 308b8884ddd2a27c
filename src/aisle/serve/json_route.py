"""JSON in and out by orjson: the request and route classes of the API, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class JsonAnswer(Response):
    """An answer that is already plain values.

    Returned from an endpoint it is sent as it is; the endpoint's ``response_model`` then only documents, so that no
    answer is validated a second time on its way out.
    """

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Write the content as UTF-8 JSON; NumPy scalars are numbers, a float that is no number becomes null."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


class _JsonRequest(Request):
    """A request whose body is read by orjson: faster, and strict about NaN and lone surrogates."""

    async def json(self) -> Any:
        if not hasattr(self, "_aisle_json"):
            self._aisle_json = orjson.loads(await self.body())
        return self._aisle_json


class JsonRoute(APIRoute):
    """The route class of every router of the API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler so that it sees a request that reads its JSON by orjson."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(_JsonRequest(request.scope, request.receive))

        return handle_json
