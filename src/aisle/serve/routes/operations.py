"""What an operator asks: is it alive, is it ready, what came of its answers, what does it measure."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.responses import Response

from aisle.schema import DAY_MS, format_timestamp
from aisle.schema.records import TimestampMs
from aisle.schema.time import MAX_MS, MIN_MS
from aisle.serve.faults import invalid_field, refusals
from aisle.serve.json_route import JsonAnswer, JsonRoute
from aisle.serve.service import ServiceOfApp

router = APIRouter(route_class=JsonRoute, tags=["operations"])

DEFAULT_REPORT_DAYS = 28


class Alive(BaseModel):
    """The process runs."""

    alive: bool


class Ready(BaseModel):
    """The server can answer recommendations."""

    ready: bool
    model_version: str = Field(description="what answers now; without a bundle, the store itself")
    simulated: bool = Field(description="whether the shop's data is made up")
    clock: str = Field(description="the shop's own time, RFC 3339")
    degraded: list[str] = Field(description="why another version than the active one answers; empty when all is well")


class PlacementReport(BaseModel):
    """What became of the answers of one placement."""

    answers: float = Field(description="answers given")
    served: float = Field(description="items in them")
    seen: float = Field(description="served items with an impression")
    clicked: float = Field(description="served items with a view")
    bought: float = Field(description="served items with a purchase")
    coverage: float = Field(description="the part of the catalogue that was served at least once")


class Report(BaseModel):
    """What became of the answers, per placement, over a period of the shop's own time."""

    since: str
    until: str
    placements: dict[str, PlacementReport]


@router.get("/healthz", response_model=Alive, responses=refusals())
async def health() -> Response:
    """Alive: the process runs and its loop turns."""
    return JsonAnswer({"alive": True})


@router.get("/readyz", response_model=Ready, responses=refusals())
def readiness(service: ServiceOfApp) -> Response:
    """Ready to answer, also without a bundle: then popular and trending come from the store."""
    clock = format_timestamp(service.store.now_ms())
    degraded = service.recommender.refresh()
    return JsonAnswer(
        {
            "ready": True,
            "model_version": service.recommender.model_version,
            "simulated": service.is_simulated,
            "clock": clock,
            "degraded": degraded,
        }
    )


@router.get("/metrics", response_class=Response, responses={**refusals(), 200: {"content": {"text/plain": {}}}})
def metrics(service: ServiceOfApp) -> Response:
    """Everything measured, in Prometheus' text format; with several workers the sum over all of them."""
    return Response(service.instruments.exposition(service.facts), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/report", response_model=Report, responses=refusals())
def report(
    service: ServiceOfApp,
    since: Annotated[TimestampMs | None, Query(description="28 days before `until` where missing")] = None,
    until: Annotated[TimestampMs | None, Query(description="the shop's own present where missing")] = None,
) -> Response:
    """Per placement: served, seen, clicked, bought and coverage, over a period of the shop's own time."""
    # The present itself is included: an answer given in this very millisecond belongs to the report.
    until_ms = min(service.store.now_ms() + 1, MAX_MS) if until is None else until
    since_ms = max(until_ms - DEFAULT_REPORT_DAYS * DAY_MS, MIN_MS) if since is None else since
    if since_ms > until_ms:
        return invalid_field(["query", "since"], "expected since <= until")
    service.served_log.flush()
    return JsonAnswer(
        {
            "since": format_timestamp(since_ms),
            "until": format_timestamp(until_ms),
            "placements": service.store.report(since_ms, until_ms),
        }
    )
