"""The kinds of tables that a bundle may name; a thresholded table is there a full one of what it keeps."""

from __future__ import annotations

from aisle.errors import BundleError
from aisle.pipeline.tables.contract import LookupTable
from aisle.pipeline.tables.full import FullLookup
from aisle.pipeline.tables.hashed import HashedLookup
from aisle.pipeline.tables.low_rank import LowRankLookup
from aisle.pipeline.tables.quotient_remainder import QuotientRemainderLookup

_KINDS: dict[str, type[LookupTable]] = {
    kind.kind: kind for kind in (FullLookup, HashedLookup, QuotientRemainderLookup, LowRankLookup)
}


def table_kind(kind: str) -> type[LookupTable]:
    """The class of a kind.

    Raises:
        BundleError: this version has no such kind.
    """
    if kind not in _KINDS:
        raise BundleError(f"embedding table: expected one of {', '.join(_KINDS)}, received {kind!r}; upgrade Aisle")
    return _KINDS[kind]
