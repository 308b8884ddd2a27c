"""What an error becomes over HTTP: one table from kinds of error to statuses, and the shape of every refusal."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aisle.errors import (
    AisleError,
    BackendUnavailableError,
    BundleError,
    ConfigError,
    DataError,
    NotFittedError,
    SchemaError,
)
from aisle.serve.json_route import JsonAnswer

_log = logging.getLogger(__name__)

#: The one place where a kind of error gets its status; a kind that is not here is a fault of the server (500).
STATUS_OF_ERROR: dict[type[AisleError], int] = {
    SchemaError: 422,
    DataError: 422,
    ConfigError: 422,
    BundleError: 409,
    NotFittedError: 503,
    BackendUnavailableError: 503,
}


class Problem(BaseModel):
    """A refusal: what was expected, what was received, and the remedy."""

    detail: str


class FieldProblem(BaseModel):
    """One field that is not as it should be."""

    loc: list[str | int] = Field(description="where the field stands: body, path or query, then its names and indexes")
    msg: str
    type: str


class InvalidRequest(BaseModel):
    """The answer 422: every field that is not as it should be."""

    detail: list[FieldProblem]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a route for OpenAPI: the given statuses beside those that any call may get."""
    meanings = {
        401: "no key, or not one of this server's",
        403: "this key, or this origin, may not make this call",
        404: "there is no such thing",
        409: "not possible in the present state",
        413: "the body is longer than this server accepts",
        429: "this address, or all who use this key, call too often: wait as long as Retry-After says",
        503: "the store cannot answer just now, or too many calls wait: try again as Retry-After says",
    }
    listed: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": meanings[status]}
        for status in sorted({401, 403, 413, 503, *statuses})
    }
    listed[422] = {"model": InvalidRequest, "description": "a field is missing, unknown, or not as it should be"}
    return listed


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """One refusal as an answer."""
    return JsonAnswer({"detail": detail}, status, headers=headers)


def invalid_field(location: list[str | int], message: str, kind: str = "value_error") -> Response:
    """A 422 that names one field."""
    return JsonAnswer({"detail": [{"loc": location, "msg": message, "type": kind}]}, 422)


class UnexpectedErrors:
    """ASGI middleware that answers 500 where the app raises, within all that is done to every answer.

    Starlette's own stands outside of every other middleware, so its answer would lack their headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on; where an answer has begun already, the error goes on to the server."""
        has_begun = False

        async def send_and_see(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        except Exception as error:
            if scope["type"] != "http" or has_begun:
                raise
            _log.error("%s failed", _route_of(scope), exc_info=error)
            await problem(500, "an unexpected error; the server's log has the details")(scope, receive, send)


def install_faults(app: FastAPI) -> None:
    """Let the app answer every kind of error by the table."""
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(AisleError, _answer_aisle_error)


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The received value stays out: it may be long, private, or not expressible in JSON.
    fields = [
        {"loc": list(entry["loc"]), "msg": str(entry["msg"]).removeprefix("Value error, "), "type": str(entry["type"])}
        for entry in error.errors()
    ]
    return JsonAnswer({"detail": fields}, 422)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, str(error.detail), headers)


async def _answer_aisle_error(request: Request, error: Exception) -> Response:
    status = next((STATUS_OF_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_OF_ERROR), 500)
    if status >= 500:
        _log.error("%s failed", _route_of(request.scope), exc_info=error)
    return problem(status, str(error), {"retry-after": "1"} if status == 503 else None)


def _route_of(scope: Scope) -> str:
    """The template of the path: the path itself has ids."""
    return str(getattr(scope.get("route"), "path_format", "unmatched"))
