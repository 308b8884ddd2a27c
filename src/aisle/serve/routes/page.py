"""The first page at /: the catalogue, and each placement for a chosen visitor. It makes no call to anywhere else."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter
from starlette.responses import Response

from aisle.serve.faults import problem
from aisle.serve.service import ServiceOfApp

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS = {
    # Nothing but this server's own files and calls: the shop's titles are text, never markup or scripts.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@router.get("/")
async def first_page(service: ServiceOfApp) -> Response:
    """The page, with its banner where the shop's data is simulated."""
    text = _read("index.html").replace("@SIMULATED@", "true" if service.is_simulated else "false")
    return Response(text, media_type="text/html", headers=_HEADERS)


@router.get("/page/{name}")
async def page_file(name: str) -> Response:
    """One of the page's files."""
    if name not in _MEDIA_TYPES:
        return problem(404, f"there is no file {name!r}; the page has {', '.join(_MEDIA_TYPES)}")
    return Response(_read(name), media_type=_MEDIA_TYPES[name], headers=_HEADERS)


def _read(name: str) -> str:
    return resources.files("aisle.serve").joinpath("page", name).read_text("utf-8")
