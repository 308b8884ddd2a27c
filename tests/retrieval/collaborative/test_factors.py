"""Matrix factorization: folding in by hand, the library's own answers, and what is said where it is missing."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from aisle.data.questions import NOBODY, ListSplit
from aisle.errors import BackendUnavailableError
from aisle.pipeline.list_recommenders.interactions import taken_matrix
from aisle.recipe.list_models.collaborative import BprSpec, ImplicitAlsSpec
from aisle.retrieval.collaborative import FoldedFactors, UserFactors, fit_bpr, fit_implicit_als
from tests.contracts.list_recommenders import ListRecommenderContract, checkerboard_world
from tests.retrieval.collaborative.questions import ask, split_of

ALS = ImplicitAlsSpec(kind="ials", factors=4, iterations=8, regularization=0.1, alpha=5)
BPR = BprSpec(kind="bpr", factors=4, iterations=400, learning_rate=0.05, regularization=0.1)


class TestImplicitAls(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> FoldedFactors:
        return fit_implicit_als(ALS, split, seed=1)


class TestBpr(ListRecommenderContract):
    learns = frozenset({"checkerboard"})
    knows_users = True

    def fit(self, split: ListSplit) -> UserFactors:
        return fit_bpr(BPR, split, seed=1)


def test_folding_in_solves_the_weighted_least_squares() -> None:
    items_VD = np.array([[1, 0], [0, 2], [1, 1]], np.float32)
    # Y'Y = [[2, 1], [1, 5]]; with item 1 taken, alpha 3 and regularization 1: [[3, 1], [1, 14]] x = [0, 6].
    folded = FoldedFactors(items_VD, alpha=3, regularization=1)
    users_RD = folded.fold_in(ask([1], [1, 1], []))
    assert users_RD == pytest.approx(np.array([[-6 / 41, 18 / 41], [-6 / 41, 18 / 41], [0, 0]]), abs=1e-6)
    assert folded.score(ask([1]))[0] == pytest.approx(np.array([-6, 36, 12]) / 41, abs=1e-6)


def test_folding_in_is_what_the_library_recalculates() -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    split = checkerboard_world()
    folded = fit_implicit_als(ALS, split, seed=1)
    library = AlternatingLeastSquares(factors=4, regularization=0.1, alpha=5, iterations=0, random_state=1)
    library.item_factors = folded.items_VD
    taken_RV = taken_matrix(split.test.histories, split.num_items)
    expected_RD = library.recalculate_user(np.arange(len(split.test)), taken_RV)
    assert folded.fold_in(split.test) == pytest.approx(np.asarray(expected_RD), abs=1e-4)


def test_user_factors_by_hand() -> None:
    users_UD = np.array([[1, 0], [0, 3]], np.float32)
    items_VD = np.array([[1, 2], [3, 4]], np.float32)
    recommender = UserFactors(users_UD, items_VD, np.array([0.5, 0], np.float32))
    scores_RV = recommender.score(ask([0], [0], [0], users=[1, 0, NOBODY]))
    assert scores_RV.tolist() == [[6.5, 12], [1.5, 3], [4, 7.5]], "a stranger has the mean vector [0.5, 1.5]"


def test_the_librarys_bias_is_kept() -> None:
    lists = [[0, 1 + user % 5] for user in range(40)]
    fitted = fit_bpr(BprSpec(kind="bpr", factors=4, iterations=100), split_of(lists, 6), seed=0)
    assert fitted.users_UD.shape == (40, 4)
    assert int(np.argmax(fitted.bias_V)) == 0, "everybody took item 0"


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int | None]] = []
    fit_implicit_als(ALS, checkerboard_world(), progress=lambda *what: told.append(what))
    assert told[-1] == ("alternate", 8, 8)


@pytest.mark.parametrize("kind", ["ials", "bpr"])
def test_without_the_library(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailableError, match=rf"model {kind}: expected the library implicit; pip install"):
        if kind == "ials":
            fit_implicit_als(ALS, checkerboard_world())
        else:
            fit_bpr(BPR, checkerboard_world())
