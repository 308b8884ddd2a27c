"""The exact index keeps the contract, and orders equal scores by id."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.index import ExactIndex, Index
from aisle.index.exact import top
from tests.contracts.index_suite import UntrainedIndexContract


class TestExactIndex(UntrainedIndexContract):
    def build(self, dimension: int) -> Index:
        return ExactIndex(dimension)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 35))
@settings(deadline=None)
def test_the_top_is_that_of_a_full_stable_sort(scores: list[int], k: int) -> None:
    expected = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:k]
    assert top(np.array(scores, np.float32), k).tolist() == expected


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 4))
    index = ExactIndex(4)
    index.add(vectors)
    whole = index.search(vectors, 3)[0]
    monkeypatch.setattr("aisle.index.exact._BLOCK_SCORES", 100)
    assert np.array_equal(index.search(vectors, 3)[0], whole)
