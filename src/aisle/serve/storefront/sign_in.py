"""Lets a person with the admin key into the storefront by a cookie, where the server has keys.

The cookie opens the storefront's pages and the two calls they make, and nothing else of the API. It holds no key, only
a time and its signature, so every worker can check it, and a new admin key ends all of them.
"""

from __future__ import annotations

import hashlib
import hmac

COOKIE_NAME = "aisle_storefront"
VALID_SECONDS = 12 * 3600


def new_pass(admin_key: str, now_seconds: float) -> str:
    """A cookie's text that is good for :data:`VALID_SECONDS`."""
    expires = str(int(now_seconds) + VALID_SECONDS)
    return f"{expires}.{_signature(admin_key, expires)}"


def is_valid_pass(text: str, admin_key: str, now_seconds: float) -> bool:
    """Whether a cookie was made with this key, and not too long ago."""
    expires, _, signature = text.partition(".")
    expected = _signature(admin_key, expires)
    is_genuine = hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), expected.encode())
    return is_genuine and now_seconds < int(expires)


def _signature(admin_key: str, expires: str) -> str:
    message = f"storefront pass until {expires}".encode("utf-8", "surrogatepass")
    return hmac.new(admin_key.encode("utf-8", "surrogatepass"), message, hashlib.sha256).hexdigest()
