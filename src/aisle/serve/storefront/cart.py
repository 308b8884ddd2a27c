"""The cart of one browser, kept in a cookie: the server remembers nothing of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import orjson

COOKIE_NAME = "aisle_cart"
MAX_QUANTITY = 99
#: Browsers keep cookies of up to 4,096 bytes, their names and attributes included.
MAX_COOKIE_BYTES = 3500

#: Item ids with their quantities (1 to 99), in the order in which they were put in.
Cart = Mapping[str, int]


def read_cart(text: str | None) -> dict[str, int]:
    """What a cookie says; whatever is not a cart is an empty one, for anybody may write a cookie."""
    try:
        lines = orjson.loads(base64.urlsafe_b64decode((text or "").encode()))
    except (binascii.Error, ValueError):
        return {}
    if not isinstance(lines, dict):
        return {}
    return {item_id: quantity for item_id, quantity in lines.items() if _is_quantity(quantity)}


def write_cart(cart: Cart) -> str | None:
    """The cookie's text, or None where the cart is too long for a cookie."""
    text = base64.urlsafe_b64encode(orjson.dumps(dict(cart))).decode()
    return text if len(text) <= MAX_COOKIE_BYTES else None


def with_quantity(cart: Cart, item_id: str, quantity: int) -> dict[str, int]:
    """The cart with another quantity of an item; 0 takes it out, more than 99 are 99."""
    changed = {**cart, item_id: min(quantity, MAX_QUANTITY)}
    return {item_id: quantity for item_id, quantity in changed.items() if quantity > 0}


def _is_quantity(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_QUANTITY
