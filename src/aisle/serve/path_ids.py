"""Ids in paths: percent-encoded, so that they may contain any character, slashes included."""

from __future__ import annotations

from urllib.parse import unquote


def decode_path_id(value: object) -> object:
    """Decode one id as it stands in a path.

    Raises:
        ValueError: the escapes are not UTF-8.
    """
    if not isinstance(value, str):
        return value
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"expected percent-encoded UTF-8 in the path, received {value!r}") from None


def decode_segment(segment: str) -> str:
    """Decode one segment of a path, but keep encoded what would make it ambiguous: slash and percent."""
    try:
        decoded = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        return segment  # stays encoded; the path parameter refuses it by name
    return decoded.replace("%", "%25").replace("/", "%2F")
