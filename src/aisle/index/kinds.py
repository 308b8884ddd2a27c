"""The kinds of index by name, as recipes and bundles say them."""

from __future__ import annotations

from aisle.errors import ConfigError
from aisle.index.contract import Index
from aisle.index.exact import ExactIndex
from aisle.index.faiss import FaissIndex

KINDS: dict[str, type[ExactIndex] | type[FaissIndex]] = {"exact": ExactIndex, "faiss": FaissIndex}


def open_index(kind: str, *, dimension: int) -> Index:
    """An empty index.

    Raises:
        ConfigError: the kind is unknown.
        BackendUnavailableError: its library is not installed.
    """
    if kind not in KINDS:
        raise ConfigError(f"index: expected one of {', '.join(KINDS)}, received {kind!r}")
    return KINDS[kind](dimension)
