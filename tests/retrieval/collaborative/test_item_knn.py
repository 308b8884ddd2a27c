"""Item-based neighbours: similarities worked by hand, and what is kept of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aisle.data.questions import ListSplit
from aisle.recipe.list_models.collaborative import ItemKnnSpec
from aisle.retrieval.collaborative import LinearRecommender, fit_item_knn
from tests.contracts.list_recommenders import ListRecommenderContract
from tests.retrieval.collaborative.questions import ask, split_of

#: Items 0 to 3 are taken by 3, 2, 2 and 1 users.
LISTS = [[0, 1], [0, 1, 2], [0, 2, 2, 3]]


def fit(lists: list[list[int]] = LISTS, num_items: int = 4, **options: object) -> LinearRecommender:
    return fit_item_knn(ItemKnnSpec.model_validate({"kind": "item-knn", **options}), split_of(lists, num_items))


class TestItemKnn(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> LinearRecommender:
        return fit_item_knn(ItemKnnSpec(kind="item-knn"), split)


class TestBm25WithFewNeighbours(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> LinearRecommender:
        spec = ItemKnnSpec(
            kind="item-knn", weighting="bm25", history_exponent=0, candidate_exponent=0, user_exponent=0.5, neighbours=5
        )
        return fit_item_knn(spec, split)


def test_cosine_is_the_default() -> None:
    scores_RV = fit().score(ask([0], [1], [3]))
    expected_RV = [
        [0, 2 / math.sqrt(6), 2 / math.sqrt(6), 1 / math.sqrt(3)],
        [2 / math.sqrt(6), 0, 1 / 2, 0],
        [1 / math.sqrt(3), 0, 1 / math.sqrt(2), 0],
    ]
    assert scores_RV == pytest.approx(np.array(expected_RV), abs=1e-6)


def test_votes_of_a_history_add_up_and_a_repeated_item_votes_once() -> None:
    scores_RV = fit().score(ask([1], [3], [1, 3], [1, 3, 1]))
    assert scores_RV[2] == pytest.approx(scores_RV[0] + scores_RV[1], abs=1e-6)
    assert np.array_equal(scores_RV[3], scores_RV[2])


def test_exponents_of_history_candidate_and_user() -> None:
    # Items 0 and 1 share users 0 and 1, who have 2 and 3 items; item 0 has 3 users, item 1 has 2.
    scores_RV = fit(history_exponent=1, candidate_exponent=0, user_exponent=1).score(ask([0], [1]))
    assert scores_RV[0, 1] == pytest.approx((1 / 2 + 1 / 3) / 3, abs=1e-6)
    assert scores_RV[1, 0] == pytest.approx((1 / 2 + 1 / 3) / 2, abs=1e-6)


def test_cosine_of_tf_idf_weights() -> None:
    # A user with n of the 10 items weighs log(10 / (1 + n)): log 5 with one, log 2.5 with three.
    one, three = math.log(5), math.log(2.5)
    scores_RV = fit([[0], [0, 1, 2]], 10, weighting="tf-idf").score(ask([0]))
    assert scores_RV[0, 1] == pytest.approx(three**2 / math.sqrt((one**2 + three**2) * three**2), abs=1e-6)


def test_bm25_weights() -> None:
    # Items have 2, 1 and 0 users, 1 in the mean: item 0 saturates at 101 / (100 (0.2 + 1.6) + 1), item 1 at 1.
    options = {"weighting": "bm25", "history_exponent": 0, "candidate_exponent": 0}
    scores_RV = fit([[0], [0, 1]], 3, **options).score(ask([0]))
    assert scores_RV[0, 1] == pytest.approx(math.log(3 / 3) ** 2 * 101 / 181, abs=1e-6)
    scores_RV = fit([[0], [0, 1]], 30, **options).score(ask([0]))
    mean = 3 / 30
    saturation = [101 / (100 * (0.2 + 0.8 * count / mean) + 1) for count in (2, 1)]
    assert scores_RV[0, 1] == pytest.approx(math.log(30 / 3) ** 2 * saturation[0] * saturation[1], rel=1e-5)


def test_each_item_votes_for_so_many_and_of_equals_for_the_first() -> None:
    scores_RV = fit(neighbours=1).score(ask([0], [3]))
    assert np.flatnonzero(scores_RV[0]).tolist() == [1], "items 1 and 2 are equally similar to item 0"
    assert np.flatnonzero(scores_RV[1]).tolist() == [2]


def test_items_that_nobody_took_neither_vote_nor_win() -> None:
    scores_RV = fit(num_items=6).score(ask([0], [5]))
    assert scores_RV[0, 4:].tolist() == [0, 0]
    assert not scores_RV[1].any()
