"""Popularity lists keep the contract, and answer everyone alike."""

from __future__ import annotations

import numpy as np

from aisle.pipeline.generators import Generator, PopularityList
from tests.contracts.generators import ALL, GeneratorContract, everything, query_of


class TestPopularityList(GeneratorContract):
    needs_profile = False

    def build(self) -> Generator:
        return PopularityList("popular", np.array([0, 0, 3, 1, 0, 3, 2, 1, 0.5, 0, 7, 1], np.float32), reason="Popular")


def test_the_order_by_hand() -> None:
    popular = PopularityList("popular", np.array([0, 0, 2, 5, 0, 2]), reason="Popular")
    found = popular.candidates(query_of(num_rows=6), ALL, everything(6))
    assert found.rows_k.tolist() == [3, 2, 5]
    assert found.scores_k.tolist() == [5, 2, 2]
    assert popular.reason(query_of(), 3) == ("Popular", None)


def test_an_item_newer_than_the_fit_has_no_score() -> None:
    found = PopularityList("popular", np.array([0, 0, 1.0]), reason="Popular").candidates(
        query_of(num_rows=4), ALL, everything(4)
    )
    assert found.scores_V is not None
    assert found.scores_V.tolist() == [0, 0, 1, 0]
