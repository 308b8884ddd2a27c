"""The HTTP app of one workspace: routes, keys, limits and measurement put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import aisle
from aisle.serve.access import AccessGuard
from aisle.serve.answer_headers import AnswerHeaders
from aisle.serve.faults import UnexpectedErrors, install_faults
from aisle.serve.middleware import REQUEST_ID_HEADER, WORKER_HEADER, BodyLimit, EncodedPaths, Measurement
from aisle.serve.rate_limits import RateLimit
from aisle.serve.routes import ROUTERS
from aisle.serve.service import Service

_DESCRIPTION = """
Recommendations for a shop, from its own events. Send events and the catalogue, ask for recommendations, and send the
answer's `request_id` with the events that come of it. With keys set, every call carries `Authorization: Bearer KEY`.
"""


def create_app(directory: Path | str) -> FastAPI:
    """The app that serves a workspace; its store is open until the app's lifespan ends.

    Args:
        directory: The workspace, made by ``aisle init``.

    Raises:
        ConfigError: there is no workspace, or its configuration is wrong.
    """
    service = Service(Path(directory))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="Aisle",
        version=aisle.__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    install_faults(app)
    _add_middleware(app, service)
    return app


def _add_middleware(app: FastAPI, service: Service) -> None:
    """The last one added is the first that a call meets."""
    server = service.workspace.config.server
    app.add_middleware(BodyLimit, max_body_bytes=server.max_body_bytes)
    app.add_middleware(RateLimit, limits=server.rate_limits, on_limited=service.instruments.count_limited)
    app.add_middleware(
        AccessGuard,
        keys=service.keys,
        allowed_origins=server.allowed_origins,
        has_browser_placements=bool(server.browser_placements),
    )
    app.add_middleware(EncodedPaths)
    app.add_middleware(UnexpectedErrors)
    if server.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=server.allowed_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=[WORKER_HEADER, REQUEST_ID_HEADER, "Retry-After"],
            max_age=3600,
        )
    app.add_middleware(AnswerHeaders)
    app.add_middleware(Measurement, instruments=service.instruments)
