"""Both FAISS indexes keep the contract; without FAISS the error names the extra."""

from __future__ import annotations

import sys

import pytest

from aisle.errors import BackendUnavailableError
from aisle.index import FaissIndex, Index
from tests.contracts.index_suite import IndexContract


class TestFlat(IndexContract):
    def build(self, dimension: int) -> Index:
        return FaissIndex(dimension, kind="flat")


class TestHnsw(IndexContract):
    min_recall = 0.95

    def build(self, dimension: int) -> Index:
        return FaissIndex(dimension, kind="hnsw", num_links=16, ef_construction=40)


def test_without_faiss_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'aisle\[ann\]'"):
        FaissIndex(4)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="flat or hnsw, received 'tree'"):
        FaissIndex(4, kind="tree")  # type: ignore[arg-type]
