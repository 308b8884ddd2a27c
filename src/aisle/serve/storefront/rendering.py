"""Templates into answers: what every page of the storefront shares, its headers included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from aisle.schema import Item

_SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥", "INR": "₹"}
_WITHOUT_CENTS = frozenset({"JPY", "KRW", "VND", "CLP", "ISK"})


def price_text(item: Item) -> str:
    """An item's price for people; empty where it has none.

    Example:
        >>> price_text(Item(item_id="a", price=1234.5, currency="EUR"))
        '€1,234.50'
    """
    return "" if item.price is None else money_text(item.price, item.currency)


def money_text(amount: float, currency: str | None) -> str:
    """An amount of money as English writes it, which is how aisle.js shows it."""
    number = f"{amount:,.{0 if currency in _WITHOUT_CENTS else 2}f}"
    if currency is None:
        return number
    return f"{_SYMBOLS[currency]}{number}" if currency in _SYMBOLS else f"{currency}\N{NO-BREAK SPACE}{number}"


def path_of(item_id: str) -> str:
    """An id as one segment of a path."""
    return quote(item_id, safe="")


def json_text(value: object) -> str:
    """A value as JSON, for an attribute: the template escapes it."""
    return orjson.dumps(value).decode()


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("aisle.serve.storefront"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(price=price_text, path=path_of, json=json_text)
    environment.globals["money"] = money_text
    return environment


_ENVIRONMENT = _environment()


def page(template: str, *, status: int = 200, image_origins: Sequence[str] = (), **values: Any) -> Response:
    """One page: only this server's own files and calls, and pictures from the origins that the shop names."""
    text = _ENVIRONMENT.get_template(template).render(values)
    return Response(text, status, media_type="text/html", headers=page_headers(image_origins))


def page_headers(image_origins: Sequence[str] = ()) -> dict[str, str]:
    """The headers of a page: the shop's titles are text, never markup or scripts."""
    image_sources = " ".join(("'self'", *image_origins))
    return {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src {image_sources}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
    }


def is_shown_from(image_url: str, origins: Sequence[str]) -> bool:
    """Whether a picture's address is on one of these origins."""
    try:
        address = urlsplit(image_url)
    except ValueError:
        return False
    return f"{address.scheme}://{address.netloc}" in origins
