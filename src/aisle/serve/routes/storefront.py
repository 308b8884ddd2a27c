"""/ and below: the pages of a shop for people. Forms work without scripts; what visitors do is sent by aisle.js."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from aisle.schema import Item
from aisle.schema.records import Id
from aisle.serve.bodies import PathId
from aisle.serve.service import Service, ServiceOfApp
from aisle.serve.storefront import sign_in
from aisle.serve.storefront.cart import COOKIE_NAME as CART
from aisle.serve.storefront.cart import Cart, read_cart, with_quantity, write_cart
from aisle.serve.storefront.pictures import picture_of
from aisle.serve.storefront.rendering import is_shown_from, page, page_headers


class _PageRoute(APIRoute):
    """A route of pages: who asks by an address that cannot be is told so by a page as well."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_page(call: Request) -> Response:
            try:
                return await handle(call)
            except RequestValidationError:
                text = f"A search has at most {MAX_SEARCH} characters, and pages are numbered from 1 to {MAX_PAGE:,}."
                service = call.app.state.service
                return await run_in_threadpool(_message, call, service, 422, "There is no such page", text)

        return handle_page


router = APIRouter(include_in_schema=False, route_class=_PageRoute)

MAX_SEARCH = 200
PAGE_ITEMS = 36
MAX_PAGE = 10_000
NUM_NEWEST = 6
NUM_VISITORS = 48
VISITOR = "aisle_visitor"
_ID: TypeAdapter[str] = TypeAdapter(Id)
_PICTURE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=300",
}


@router.get("/")
def home(call: Request, service: ServiceOfApp) -> Response:
    """What is for this visitor, what is trending, and what is new."""
    return _page(call, service, "home.html", newest=service.shelf.newest(NUM_NEWEST))


@router.get("/products")
def products(
    call: Request,
    service: ServiceOfApp,
    search: Annotated[str, Query(max_length=MAX_SEARCH)] = "",
    category: Annotated[str, Query(max_length=256)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=MAX_PAGE)] = 1,
) -> Response:
    """The catalogue in pages, by words and by category."""
    found = service.shelf.page(search=search, category=category, offset=(number - 1) * PAGE_ITEMS, limit=PAGE_ITEMS)
    asked = {name: value for name, value in (("search", search), ("category", category)) if value}
    heading = f"“{search}”" if search else category or "All products"
    return _page(
        call,
        service,
        "products.html",
        found=found,
        heading=f"{heading} in {category}" if search and category else heading,
        search=search,
        category=category or ("" if search else "*"),
        subcategories=service.shelf.categories(category) if category else [],
        number=number,
        num_pages=-(-found.total // PAGE_ITEMS),
        address=f"/products?{urlencode(asked)}{'&' if asked else ''}",
    )


@router.get("/products/{item_id:path}")
def product(item_id: PathId, call: Request, service: ServiceOfApp) -> Response:
    """One product, and what goes with it."""
    item = service.shelf.item(item_id)
    if item is None:
        return _message(call, service, 404, "There is no such product", "It may have left the catalogue.")
    return _page(call, service, "product.html", item=item, line=_line(item, 1))


@router.get("/pictures/{item_id:path}")
def picture(item_id: PathId, service: ServiceOfApp) -> Response:
    """The item's own picture where the settings name its origin; else a drawn one."""
    item = service.shelf.item(item_id) or Item.model_construct(item_id=item_id)
    if item.image_url and is_shown_from(item.image_url, service.image_origins):
        return RedirectResponse(item.image_url, 307, headers=page_headers())
    return Response(picture_of(item), media_type="image/svg+xml", headers=_PICTURE_HEADERS)


@router.get("/cart")
def show_cart(call: Request, service: ServiceOfApp, ordered: bool = False) -> Response:
    """The cart, its total, and what was bought together with what is in it."""
    cart = _cart(call)
    items = service.shelf.page(item_ids=list(cart), limit=len(cart)).items if cart else []
    bought = [_line(item, cart[item.item_id]) for item in items if item.available]
    totals: dict[str | None, float] = {}
    for item in items:
        if item.available and item.price is not None:
            totals[item.currency] = totals.get(item.currency, 0.0) + item.price * cart[item.item_id]
    return _page(
        call,
        service,
        "cart.html",
        ordered=ordered and not cart,
        lines=[{"item": item, "quantity": cart[item.item_id]} for item in items],
        bought=bought,
        ids=[item.item_id for item in items],
        totals=list(totals.items()),
        order_id=f"order-{uuid.uuid4().hex[:12]}",
    )


@router.post("/cart")
async def change_cart(call: Request, service: ServiceOfApp) -> Response:
    """Put an item into the cart, or change how many of it there are (0 takes it out)."""
    form = await _form(call)
    cart = _cart(call)
    try:
        item_id = _ID.validate_python(form.get("item_id"))
        quantity = int(form.get("quantity") or cart.get(item_id, 0) + 1)
    except (ValidationError, ValueError):
        quantity = -1
    if quantity < 0:
        return _message(call, service, 422, "That did not work", "Expected a product and how many of it.")
    text = write_cart(with_quantity(cart, item_id, quantity))
    if text is None:
        return _message(call, service, 422, "The cart is full", "Buy what is in it first, or take something out.")
    return _moved("/cart", call, {CART: text})


@router.post("/cart/order")
async def order(call: Request) -> Response:
    """Empty the cart: what was bought, aisle.js has told."""
    return _moved("/cart?ordered=true", call, {CART: ""})


@router.get("/visitors")
def visitors(call: Request, service: ServiceOfApp) -> Response:
    """Whom the shop can be seen as."""
    return _page(call, service, "visitors.html", user_ids=service.store.newest_users(NUM_VISITORS))


@router.post("/visitors")
async def choose_visitor(call: Request) -> Response:
    """See the shop as another visitor; their cart is a new one."""
    try:
        visitor = _ID.validate_python((await _form(call)).get("visitor", "").strip())
    except ValidationError:
        visitor = ""
    return _moved("/", call, {VISITOR: visitor.encode().hex(), CART: ""})


@router.get("/sign-in")
async def ask_for_key() -> Response:
    """The page that asks for the admin key, where the server has keys."""
    return page("sign_in.html", is_wrong=False)


@router.post("/sign-in")
async def accept_key(call: Request, service: ServiceOfApp) -> Response:
    """A pass for the storefront's pages, for whoever has the admin key."""
    key = (await _form(call)).get("key", "")
    if service.keys.role(key) != "admin":
        return page("sign_in.html", status=401, is_wrong=True)
    return _moved("/", call, {sign_in.COOKIE_NAME: sign_in.new_pass(key, time.time())})


def _page(call: Request, service: Service, template: str, *, status: int = 200, **values: Any) -> Response:
    """A page with what all of them show."""
    shared = {
        "visitor": _visitor(call),
        "num_in_cart": sum(_cart(call).values()),
        "top_categories": service.shelf.categories(),
        "max_search": MAX_SEARCH,
        "model_version": service.recommender.model_version,
        "is_simulated": service.is_simulated,
    }
    return page(template, status=status, image_origins=service.image_origins, **{**shared, **values})


def _message(call: Request, service: Service, status: int, heading: str, text: str) -> Response:
    return _page(call, service, "message.html", status=status, heading=heading, text=text)


def _line(item: Item, quantity: int) -> dict[str, Any]:
    """One line of an event of this item."""
    line = {"item_id": item.item_id, "quantity": quantity, "price": item.price}
    return {name: value for name, value in line.items() if value is not None}


def _cart(call: Request) -> Cart:
    return read_cart(call.cookies.get(CART))


def _visitor(call: Request) -> str | None:
    """Whom the visitor chose to be; in hexadecimal, for a cookie cannot hold every character of an id."""
    try:
        return _ID.validate_python(bytes.fromhex(call.cookies.get(VISITOR, "")).decode())
    except (ValueError, ValidationError):
        return None


async def _form(call: Request) -> dict[str, str]:
    """The fields of a form, the last one of each name."""
    fields = parse_qs((await call.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def _moved(address: str, call: Request, cookies: dict[str, str]) -> Response:
    """Go on to a page, with cookies that scripts cannot read; an empty one is taken away."""
    response = RedirectResponse(address, 303)
    for name, value in cookies.items():
        response.set_cookie(
            name,
            value,
            max_age=None if value else 0,
            secure=call.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
    return response
