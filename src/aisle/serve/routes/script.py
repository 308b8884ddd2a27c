"""/aisle.js for any shop's pages, and the storefront's own files: open to all, for they hold no data of the shop."""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter
from starlette.responses import Response

from aisle.serve.faults import problem

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {
    "storefront.css": "text/css",
    "storefront.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "public, max-age=300"}


@router.get("/aisle.js")
async def aisle_script() -> Response:
    """The script that a shop's pages embed, from whatever site they are."""
    headers = {**_HEADERS, "cross-origin-resource-policy": "cross-origin"}
    return Response(_read("aisle.js"), media_type="text/javascript", headers=headers)


@router.get("/storefront/{name}")
async def storefront_file(name: str) -> Response:
    """One of the storefront's files."""
    if name not in _MEDIA_TYPES:
        return problem(404, f"there is no file {name!r}; the storefront has {', '.join(_MEDIA_TYPES)}")
    return Response(_read(name), media_type=_MEDIA_TYPES[name], headers=_HEADERS)


@cache
def _read(name: str) -> bytes:
    return resources.files("aisle.serve").joinpath("storefront", "static", name).read_bytes()
