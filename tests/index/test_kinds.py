"""Indexes are opened by name."""

from __future__ import annotations

import pytest

from aisle.errors import ConfigError
from aisle.index import ExactIndex, FaissIndex, open_index


def test_by_name() -> None:
    assert isinstance(open_index("exact", dimension=3), ExactIndex)
    index = open_index("faiss", dimension=3)
    assert isinstance(index, FaissIndex)
    assert (index.dimension, len(index)) == (3, 0)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="index: expected one of exact, faiss, received 'tree'"):
        open_index("tree", dimension=3)
