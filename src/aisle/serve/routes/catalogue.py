"""/v1/items: the catalogue, one item or many."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from aisle.schema import Item, format_timestamp
from aisle.serve.bodies import (
    DeletedItem,
    ItemFields,
    ItemPage,
    ItemsAnswer,
    ItemsBody,
    PathId,
    Refused,
)
from aisle.serve.faults import invalid_field, problem, refusals
from aisle.serve.json_route import JsonAnswer, JsonRoute
from aisle.serve.service import ServiceOfApp

router = APIRouter(route_class=JsonRoute, tags=["catalogue"])

MAX_PAGE = 1000


@router.get("/v1/items", response_model=ItemPage, responses=refusals())
def list_items(
    service: ServiceOfApp,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
    search: Annotated[str, Query(max_length=200, description="words of the title, or the item's id")] = "",
    item_id: Annotated[list[str] | None, Query(max_length=MAX_PAGE, description="only these items")] = None,
) -> Response:
    """The current catalogue in pages, in the order in which the items first came."""
    found = service.shelf.page(search=search, item_ids=item_id or (), offset=offset, limit=limit)
    return JsonAnswer({"items": [item_json(item) for item in found.items], "total": found.total})


@router.post("/v1/items", response_model=ItemsAnswer, responses=refusals())
def post_items(body: ItemsBody, service: ServiceOfApp) -> Response:
    """Write many items; one that is not as it should be is listed in `rejected`, the others are taken."""
    rejected = [
        {"index": index, "reason": entry.reason} for index, entry in enumerate(body.items) if isinstance(entry, Refused)
    ]
    items = [entry for entry in body.items if not isinstance(entry, Refused)]
    accepted = service.store.put_items(items) if items else 0
    return JsonAnswer({"accepted": accepted, "rejected": rejected})


@router.put("/v1/items/{item_id:path}", response_model=Item, responses=refusals())
def put_item(item_id: PathId, body: ItemFields, service: ServiceOfApp) -> Response:
    """Write one item; what was there before is replaced, and every worker answers by it at once.

    The answer is the record that holds now: one with an `updated_at` before that of the current record changes the past
    alone.
    """
    if body.item_id not in (None, item_id):
        return invalid_field(["body", "item_id"], f"expected the id of the path {item_id!r}, received {body.item_id!r}")
    item = Item.model_construct(**{**dict(body), "item_id": item_id})
    service.store.put_items([item])
    return JsonAnswer(item_json(service.store.get_item(item_id) or item))


@router.get("/v1/items/{item_id:path}", response_model=Item, responses=refusals(404))
def get_item(item_id: PathId, service: ServiceOfApp) -> Response:
    """One item as it is now."""
    item = service.store.get_item(item_id)
    if item is None:
        return problem(404, f"there is no item {item_id!r} in the catalogue")
    return JsonAnswer(item_json(item))


@router.delete("/v1/items/{item_id:path}", response_model=DeletedItem, responses=refusals())
def delete_item(item_id: PathId, service: ServiceOfApp) -> Response:
    """Take an item out of the catalogue, so that it is never recommended again; its events stay."""
    return JsonAnswer({"item_id": item_id, "deleted": service.store.delete_item(item_id)})


def item_json(item: Item) -> dict[str, Any]:
    """An item as the API gives it: without empty fields, its times as text."""
    fields = item.model_dump(exclude_none=True)
    for name in ("created_at", "updated_at"):
        if name in fields:
            fields[name] = format_timestamp(fields[name])
    return fields
