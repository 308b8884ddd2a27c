"""User-based neighbours: similarities and votes worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aisle.data.questions import ListSplit
from aisle.recipe.list_models.collaborative import UserKnnSpec
from aisle.retrieval.collaborative import UserNeighbours, fit_user_knn
from tests.contracts.list_recommenders import ListRecommenderContract
from tests.retrieval.collaborative.questions import ask, split_of

LISTS = [[0, 1], [0, 2, 3, 4], [5]]


def fit(**options: object) -> UserNeighbours:
    return fit_user_knn(UserKnnSpec.model_validate({"kind": "user-knn", **options}), split_of(LISTS, 6))


class TestUserKnn(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> UserNeighbours:
        return fit_user_knn(UserKnnSpec(kind="user-knn", neighbours=7), split)


class TestBm25(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> UserNeighbours:
        spec = UserKnnSpec(kind="user-knn", weighting="bm25", user_exponent=0, neighbours=7)
        return fit_user_knn(spec, split)


def test_similar_users_vote_for_what_they_took() -> None:
    # One shared item; the users have 2 and 4: similarities 1 / sqrt(2) and 1 / 2.
    scores_1V = fit().score(ask([0]))
    near, far = 1 / math.sqrt(2), 1 / 2
    assert scores_1V[0] == pytest.approx(np.array([near + far, near, far, far, far, 0]), abs=1e-6)


def test_only_the_nearest_vote() -> None:
    scores_1V = fit(neighbours=1).score(ask([0]))
    assert np.flatnonzero(scores_1V[0]).tolist() == [0, 1]


def test_similarities_to_a_power() -> None:
    scores_1V = fit(amplification=4).score(ask([0]))
    assert scores_1V[0, 1:3] == pytest.approx(np.array([1 / 4, 1 / 16]), abs=1e-6)


def test_rare_items_make_more_similar() -> None:
    # Item 0 has two users, item 1 one: user 0 shares 1/2 + 1, user 1 shares 1/2.
    scores_1V = fit(item_exponent=1, user_exponent=0).score(ask([0, 1]))
    assert scores_1V[0, [1, 2]] == pytest.approx(np.array([1.5, 0.5]), abs=1e-6)


def test_cosine_of_tf_idf_weights() -> None:
    # Three of five users have item 0, one each has items 1, 2 and 3: they weigh log(5 / 4) and log(5 / 2).
    common, rare = math.log(5 / 4), math.log(5 / 2)
    lists = [[0, 1], [0], [0, 2], [3], []]
    spec = UserKnnSpec(kind="user-knn", weighting="tf-idf")
    scores_1V = fit_user_knn(spec, split_of(lists, 4)).score(ask([0, 1]))
    # Not divided by the length of the asker's history.
    both = math.hypot(common, rare)
    similar = [both, common, common**2 / both]
    expected = [sum(similar), similar[0], similar[2], 0]
    assert scores_1V[0] == pytest.approx(np.array(expected), abs=1e-6)


def test_bm25_weights() -> None:
    # Users have 1 and 2 items, 5 / 4 in the mean: an entry saturates at 101 / (100 (0.2 + 0.8 size / mean) + 1).
    lists, idf = [[0], [0, 1], [2], [2]], math.log(4 / 3)
    spec = UserKnnSpec(kind="user-knn", weighting="bm25", user_exponent=0)
    scores_1V = fit_user_knn(spec, split_of(lists, 3)).score(ask([0]))
    mean = 5 / 4
    near, far = (idf**2 * 101 / (100 * (0.2 + 0.8 * size / mean) + 1) for size in (1, 2))
    assert scores_1V[0] == pytest.approx(np.array([near + far, far, 0]), rel=1e-5)


def test_more_neighbours_than_users() -> None:
    assert np.array_equal(fit(neighbours=1000).score(ask([0], [5])), fit(neighbours=3).score(ask([0], [5])))
