"""POST /v1/events: a batch of events, durable before it is acknowledged."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from aisle.ingest.event_ids import event_ids
from aisle.schema import Event
from aisle.serve.bodies import EventsAnswer, EventsBody, Refused, Rejection
from aisle.serve.faults import refusals
from aisle.serve.json_route import JsonAnswer, JsonRoute
from aisle.serve.service import Service, ServiceOfApp

router = APIRouter(route_class=JsonRoute, tags=["events"])


@router.post("/v1/events", status_code=202, response_model=EventsAnswer, responses=refusals(429))
async def post_events(body: EventsBody, service: ServiceOfApp) -> Response:
    """Take a batch of events; every accepted one survives a kill or a power loss from this answer on.

    An event that is not as it should be is listed in `rejected`, the others are taken. Sending an event again with the
    same `event_id` changes nothing; without one it is derived from the event's time and content, so give at least a
    `timestamp` where a batch may be sent twice.
    """
    return await service.writes.run(partial(_take, body, service))


def _take(body: EventsBody, service: Service) -> Response:
    accepted, rejected = _sift(body.events)
    now_ms = service.store.now_ms()
    for event in accepted:
        if event.timestamp is None:
            event.timestamp = now_ms
    accepted_count = duplicates = 0
    if accepted:
        result = service.store.add_events(accepted, event_ids(accepted))
        accepted_count, duplicates = result.accepted, result.duplicates
    service.instruments.count_events(accepted=accepted_count, duplicates=duplicates, rejected=len(rejected))
    answer = {
        "accepted": accepted_count,
        "duplicates": duplicates,
        "rejected": [entry.model_dump() for entry in rejected],
    }
    return JsonAnswer(answer, 202)


def _sift(entries: list[Event]) -> tuple[list[Event], list[Rejection]]:
    accepted: list[Event] = []
    rejected: list[Rejection] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, Refused):
            rejected.append(Rejection(index=index, reason=entry.reason))
        else:
            accepted.append(entry)
    return accepted, rejected
