"""The kinds of tables that a bundle may name."""

from __future__ import annotations

from aisle.errors import BundleError
from aisle.pipeline.tables.contract import LookupTable
from aisle.pipeline.tables.full import FullLookup

_KINDS: dict[str, type[LookupTable]] = {FullLookup.kind: FullLookup}


def table_kind(kind: str) -> type[LookupTable]:
    """The class of a kind.

    Raises:
        BundleError: this version has no such kind.
    """
    if kind not in _KINDS:
        raise BundleError(f"embedding table: expected one of {', '.join(_KINDS)}, received {kind!r}; upgrade Aisle")
    return _KINDS[kind]
