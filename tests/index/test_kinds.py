"""Indexes are opened by their settings, which a recipe gives by a kind's name or in full."""

from __future__ import annotations

import sys

import pytest

from aisle.errors import BackendUnavailableError, ConfigError
from aisle.index import ExactIndex, open_index
from aisle.index.faiss import FaissIndex
from aisle.recipe.indexes import INDEX_KINDS, FlatSpec, HnswSpec, index_spec


def test_by_name_and_in_full() -> None:
    assert isinstance(open_index(index_spec("exact"), dimension=3), ExactIndex)
    for kind in INDEX_KINDS[1:]:
        index = open_index(
            index_spec({"kind": kind} | ({"dimensions_per_code": 3} if kind == "pq" else {})), dimension=3
        )
        assert isinstance(index, FaissIndex)
        assert (index.dimension, len(index), index.num_bytes) == (3, 0, 0)
    assert index_spec({"kind": "hnsw", "ef_search": 40}) == HnswSpec(ef_search=40)


def test_settings_are_read_back_as_they_are_written() -> None:
    for kind in INDEX_KINDS:
        spec = index_spec(kind)
        assert index_spec(spec.model_dump()) == spec


def test_the_former_name_of_flat_opens_it() -> None:
    assert index_spec("faiss") == FlatSpec()


@pytest.mark.parametrize("kind", INDEX_KINDS[1:])
def test_without_faiss_the_error_names_the_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'aisle\[ann\]'"):
        open_index(index_spec(kind), dimension=8)


def test_unknown_kinds_and_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="index: expected one of exact, flat, int8, hnsw, ivf, pq, received 'tree'"):
        index_spec("tree")
    with pytest.raises(ConfigError, match="num_links"):
        index_spec({"kind": "hnsw", "num_links": 1})
    with pytest.raises(ConfigError, match="Extra inputs"):
        index_spec({"kind": "ivf", "ef_search": 10})
    with pytest.raises(ConfigError, match="expected dimensions_per_code to divide the dimension 10, received 4"):
        open_index(index_spec("pq"), dimension=10)
