"""POST /v1/recommendations: one question to the pipeline, noted in the background as served."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from aisle.pipeline.recommender import ITEM_PLACEMENTS
from aisle.pipeline.request import Answer, RecommendationRequest, Recommended
from aisle.schema import Item
from aisle.serve.access import ROLE_IN_SCOPE
from aisle.serve.bodies import RecommendationAnswer, RecommendationBody
from aisle.serve.faults import invalid_field, problem, refusals
from aisle.serve.json_route import JsonAnswer, JsonRoute
from aisle.serve.service import Service, ServiceOfApp
from aisle.store.contract import ServedRecord

router = APIRouter(route_class=JsonRoute, tags=["recommendations"])

_NOT_FOR_BROWSERS = (
    "the write-only key may ask for the placements of server.browser_placements in aisle.yaml alone, and never with "
    "explain; use the admin key"
)


@router.post("/v1/recommendations", response_model=RecommendationAnswer, responses=refusals(429))
async def recommend(body: RecommendationBody, service: ServiceOfApp, call: Request) -> Response:
    """Items for a visitor at one placement, best first.

    An unknown user or item is not an error: such a visitor is answered as a new one. Stages that failed or ran past
    their budget are named in `degraded`. With the write-only key only the placements of `server.browser_placements` are
    answered, and never explained.
    """
    if call.scope.get(ROLE_IN_SCOPE) == "write" and not _is_for_browsers(body, service):
        return problem(403, _NOT_FOR_BROWSERS)
    if body.placement in ITEM_PLACEMENTS and not body.items:
        expected = f"{body.placement} expects the item of the page or the items of the cart, received none"
        return invalid_field(["body", "items"], expected, "missing")
    return await service.answers.run(partial(_answer, body, service))


def _is_for_browsers(body: RecommendationBody, service: Service) -> bool:
    return body.placement in service.browser_placements and not body.explain


def _answer(body: RecommendationBody, service: Service) -> Response:
    started = time.perf_counter()
    request = body.to_request()
    answer = service.recommender.recommend(request)
    request_id = uuid.uuid4().hex
    service.served_log.add(_served(service, request_id, request, answer))
    service.instruments.observe_answer(
        request.placement, num_items=len(answer.items), degraded=answer.degraded, stage_ms=answer.stage_ms
    )
    if answer.observed is not None:
        service.drift.add(answer.model_version, answer.observed)
    return JsonAnswer(
        {
            "request_id": request_id,
            "placement": request.placement,
            "model_version": answer.model_version,
            "took_ms": round((time.perf_counter() - started) * 1000, 3),
            "items": [
                {**_item(recommended, request.explain), **_shown(service, recommended.item_id, body.fields)}
                for recommended in answer.items
            ],
            "degraded": answer.degraded,
        }
    )


def _item(recommended: Recommended, explain: bool) -> dict[str, Any]:
    item: dict[str, Any] = {
        "item_id": recommended.item_id,
        "score": recommended.score,
        "source": recommended.source,
        "reason": recommended.reason,
    }
    if explain:
        item["sources"] = {
            name: {"score": share.score, "rank": share.rank, "share": share.share}
            for name, share in recommended.sources.items()
        }
    return item


def _shown(service: Service, item_id: str, fields: Sequence[str]) -> dict[str, Any]:
    """What the item says of itself, where the request asks for it."""
    if not fields:
        return {}
    catalogue = service.recommender.catalogue
    row = catalogue.row_of.get(item_id)
    record: Item | None = catalogue.records[row] if row is not None else None
    said = {name: getattr(record, name, None) for name in fields}
    return {"item": {name: value for name, value in said.items() if value is not None}}


def _served(service: Service, request_id: str, request: RecommendationRequest, answer: Answer) -> ServedRecord:
    return ServedRecord(
        request_id=request_id,
        time_ms=service.store.now_ms(),
        placement=request.placement,
        user_id=request.user_id,
        session_id=request.session_id,
        model_version=answer.model_version,
        policy=answer.policy,
        items=[
            # The order is deterministic, so each item stands at its place with certainty.
            {
                "item_id": item.item_id,
                "position": position,
                "score": item.score,
                "source": item.source,
                "propensity": 1.0,
            }
            for position, item in enumerate(answer.items)
        ],
    )
