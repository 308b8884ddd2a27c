"""/v1/users: who is known, what they did, and how to forget them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from aisle.schema import User, format_timestamp
from aisle.serve.bodies import DeletedUser, EventsOfUser, PathId, UserAnswer, UserFields, UserPage
from aisle.serve.faults import invalid_field, problem, refusals
from aisle.serve.json_route import JsonAnswer, JsonRoute
from aisle.serve.service import ServiceOfApp
from aisle.store.contract import StoredEvent

router = APIRouter(route_class=JsonRoute, tags=["users"])


@router.get("/v1/users", response_model=UserPage, responses=refusals())
def list_users(service: ServiceOfApp, limit: Annotated[int, Query(ge=1, le=100_000)] = 100) -> Response:
    """The ids of known visitors, those that came last first."""
    return JsonAnswer({"user_ids": service.store.newest_users(limit), "total": service.store.num_users()})


@router.get("/v1/users/{user_id:path}/events", response_model=EventsOfUser, responses=refusals())
def list_user_events(
    user_id: PathId, service: ServiceOfApp, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> Response:
    """What a user did, newest first; empty for an unknown one."""
    return JsonAnswer({"events": [_event(stored) for stored in service.store.user_events(user_id, limit)]})


@router.put("/v1/users/{user_id:path}", response_model=UserAnswer, responses=refusals())
def put_user(user_id: PathId, body: UserFields, service: ServiceOfApp) -> Response:
    """Write a user's record; what was there before is replaced."""
    if body.user_id not in (None, user_id):
        return invalid_field(["body", "user_id"], f"expected the id of the path {user_id!r}, received {body.user_id!r}")
    service.store.put_users([User(user_id=user_id, attributes=body.attributes)])
    return JsonAnswer({"user_id": user_id, "attributes": body.attributes})


@router.get("/v1/users/{user_id:path}", response_model=UserAnswer, responses=refusals(404))
def get_user(user_id: PathId, service: ServiceOfApp) -> Response:
    """A user's record."""
    user = service.store.get_user(user_id)
    if user is None:
        return problem(404, f"there is no record of the user {user_id!r}; PUT one (events alone make none)")
    return JsonAnswer({"user_id": user.user_id, "attributes": user.attributes})


@router.delete("/v1/users/{user_id:path}", response_model=DeletedUser, responses=refusals())
def delete_user(user_id: PathId, service: ServiceOfApp) -> Response:
    """Remove a user's record and events; done again it removes nothing and is no error."""
    service.served_log.flush()  # answers that wait to be written must not come back after the user is gone
    return JsonAnswer({"user_id": user_id, "events_deleted": service.store.delete_user(user_id)})


def _event(stored: StoredEvent) -> dict[str, Any]:
    fields = stored.event.model_dump(exclude_none=True)
    fields["event_id"] = stored.event_id
    if stored.event.timestamp is not None:
        fields["timestamp"] = format_timestamp(stored.event.timestamp)
    return fields
