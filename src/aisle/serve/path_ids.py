"""Ids in paths: percent-encoded, so that they may contain any character, slashes included."""

from __future__ import annotations

from urllib.parse import unquote

#: What stays encoded in a decoded path: slash and percent would be ambiguous, a line break ends the router's patterns.
_STAYS_ENCODED = {code: f"%{code:02X}" for code in (*range(32), ord("%"), ord("/"))}


def decode_path_id(value: object) -> object:
    """Decode one id as it stands in a path.

    Raises:
        ValueError: the escapes are not UTF-8.
    """
    if not isinstance(value, str):
        return value
    try:
        return unquote(value, errors="strict").strip()  # as in bodies, blanks around an id do not count
    except UnicodeDecodeError:
        raise ValueError(f"expected percent-encoded UTF-8 in the path, received {value!r}") from None


def decode_segment(segment: str) -> str:
    """Decode one segment of a path, except for the characters that routing cannot carry as they are."""
    try:
        decoded = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        return segment  # stays encoded; the path parameter refuses it by name
    return decoded.translate(_STAYS_ENCODED)
