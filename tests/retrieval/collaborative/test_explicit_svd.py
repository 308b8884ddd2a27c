"""Factors of ratings: a table of rank one is recovered, an asker is folded in by hand, and errors are reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.data.item_lists import ItemLists
from aisle.data.list_splits import leave_one_out, split_lists
from aisle.data.questions import ListSplit, Questions
from aisle.errors import DataError
from aisle.evaluate.ratings import rating_errors
from aisle.metrics import Targets
from aisle.recipe.list_models.collaborative import ExplicitSvdSpec
from aisle.retrieval.collaborative import RatingFactors, fit_explicit_svd
from aisle.train.lists.directory import MODEL_FOLDER, ListDirectory
from aisle.train.lists.registry import fit_lists, load_recommender
from aisle.train.lists.run import evaluate_list_run, train_list_recipe
from tests.contracts.list_recommenders import LEAVE_ONE_OUT, ListRecommenderContract, checkerboard_world
from tests.lists import make_list_recipe
from tests.retrieval.collaborative.questions import ask, split_of

#: As small worlds of noiseless ratings need it.
WEAKLY_HELD = {"factors": 2, "regularization": 0.1, "frequency_exponent": 1.0}


def spec(**options: Any) -> ExplicitSvdSpec:
    return ExplicitSvdSpec.model_validate({"kind": "explicit-svd", **options})


def loved(lists: ItemLists) -> ItemLists:
    """All entries are rated 5."""
    return replace(lists, actions_E=np.ones(len(lists.items_E), np.int32))


def with_ratings(split: ListSplit) -> ListSplit:
    """What users took they rate 5; in training they also rate items of the other parity than their first: 1."""
    others = [np.setdiff1d(np.arange(1 - one[0] % 2, split.num_items, 2), one) for one in split.train]
    disliked = ItemLists.of(others)
    disliked = replace(disliked, actions_E=np.zeros(len(disliked.items_E), np.int32))
    return replace(
        split,
        train=loved(split.train).join(disliked),
        valid=replace(split.valid, histories=loved(split.valid.histories)),
        test=replace(split.test, histories=loved(split.test.histories)),
        actions=("1", "5"),
    )


class TestExplicitSvd(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def told(self, split: ListSplit) -> ListSplit:
        return with_ratings(split)

    def fit(self, split: ListSplit) -> RatingFactors:
        return fit_explicit_svd(spec(**WEAKLY_HELD), split, seed=1)


def rated(lists: list[list[int]], ratings: list[list[float]], num_items: int) -> ListSplit:
    values, actions_E = np.unique(np.concatenate(ratings), return_inverse=True)
    split = split_of(lists, num_items)
    train = replace(split.train, actions_E=actions_E.astype(np.int32))
    return replace(split, train=train, actions=tuple(map(str, values)))


def test_a_table_of_rank_one_is_recovered() -> None:
    draw = np.random.default_rng(3)
    users_U, items_V = draw.normal(size=40), draw.normal(size=30)
    users_U, items_V = users_U - users_U.mean(), items_V - items_V.mean()
    table_UV = 3 + 0.3 * draw.normal(size=(40, 1)) + 0.3 * draw.normal(size=30) + users_U[:, None] * items_V
    is_told_UV = draw.random(table_UV.shape) < 0.5
    lists = [np.flatnonzero(row).tolist() for row in is_told_UV]
    ratings = [table_UV[user, row].tolist() for user, row in enumerate(lists)]
    split = rated(lists, ratings, 30)
    fitted = fit_explicit_svd(spec(factors=1, iterations=60, regularization=1e-6), split)
    asked = Questions(split.train, Targets.from_lists([[0]] * 40), np.arange(40))
    missed_UV = fitted.score(asked) - table_UV
    assert np.abs(missed_UV[~is_told_UV]).max() < 0.01
    assert table_UV.std() > 0.5, "a mean would not do"


def folded(frequency_exponent: float = 1.0) -> RatingFactors:
    """Vectors 1 and 2 of two items, whose biases are 0 and 0.5; the mean is 3."""
    items_VW: NDArray[np.float32] = np.array([[1, 0], [2, 0.5]], np.float32)
    held = spec(factors=1, regularization=1, frequency_exponent=frequency_exponent)
    return RatingFactors(held, items_VW, np.array([1.0, 4.0]), 3.0)


def told(*histories: list[int], actions: list[int]) -> Questions:
    asked = ask(*histories)
    return replace(asked, histories=replace(asked.histories, actions_E=np.array(actions, np.int32)))


def test_an_asker_by_hand() -> None:
    # Item 0 was rated 4, 1 above the mean: [[1, 1], [1, 1]] + I times [1/3, 1/3] is [1, 1].
    scores_2V = folded().score(told([0], [], actions=[1]))
    assert scores_2V[0] == pytest.approx(np.array([3 + 2 / 3, 4.5]))
    assert scores_2V[1] == pytest.approx(np.array([3, 3.5]))


@pytest.mark.parametrize(("exponent", "held"), [(1.0, 2.0), (0.0, 1.0)])
def test_more_ratings_are_held_as_the_exponent_says(exponent: float, held: float) -> None:
    # Twice the same rating: (2 [[1, 1], [1, 1]] + held I) w = [2, 2].
    scores_1V = folded(frequency_exponent=exponent).score(told([0, 0], actions=[1, 1]))
    assert scores_1V[0, 0] == pytest.approx(3 + 2 * 2 / (4 + held))


def test_an_unknown_rating_says_nothing() -> None:
    scores_2V = folded().score(told([0, 1], [0], actions=[1, -1, 1]))
    assert scores_2V[0] == pytest.approx(scores_2V[1])


def test_histories_without_ratings() -> None:
    with pytest.raises(DataError, match="expected lists with actions"):
        folded().score(ask([0]))


def test_errors_by_hand() -> None:
    # Rated 3, which nobody can, and 4.5, which is clipped to 4; the third is not known.
    targets = Targets.from_lists([[0], [1], [0]])
    asked = replace(told([], [0], [], actions=[1]), targets=targets, target_actions_E=np.array([0, 0, -1], np.int32))
    split = replace(split_of([[0]], 2), test=asked, actions=("1", "4"))
    errors = rating_errors(folded(), split, ["valid", "test"])
    assert errors == {"test/rmse": pytest.approx(np.sqrt((2**2 + 3**2) / 2))}
    assert rating_errors(object(), split, ["test"]) == {}


def test_what_is_no_rating() -> None:
    with pytest.raises(DataError, match=r"expected ratings, received none; name their column in data.columns.action"):
        fit_explicit_svd(spec(), checkerboard_world())
    split = with_ratings(checkerboard_world())
    with pytest.raises(DataError, match=r"data.columns.action: expected ratings, which are numbers .*view"):
        fit_explicit_svd(spec(), replace(split, actions=("1", "view")))
    with pytest.raises(DataError, match=r"expected finite ratings, received 1, nan"):
        fit_explicit_svd(spec(), replace(split, actions=("1", "nan")))


def test_a_run_reports_errors(tmp_path: Path) -> None:
    """Users like the items of their own parity: what the last one was rated is known."""
    rows = [
        {"user_id": user, "item": item, "at": place, "stars": 4.5 if (user + item) % 2 else 2.0}
        for user in range(30)
        for place, item in enumerate(np.random.default_rng(user).permutation(12)[:8].tolist())
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "ratings.parquet")
    plain = make_list_recipe(tmp_path / "ratings.parquet", {"kind": "explicit-svd", **WEAKLY_HELD})
    data = plain.data.model_dump()
    data["columns"] |= {"action": "stars"}
    recipe = plain.model_validate({**plain.model_dump(), "data": data})
    run: ListDirectory = train_list_recipe(recipe, tmp_path / "run", fit_lists)
    metrics = run.read_metrics()["metrics"]
    assert metrics["valid/rmse"] < 0.3 and metrics["test/rmse"] < 0.3
    again = evaluate_list_run(run, lambda bundle, folder: load_recommender(recipe, bundle, folder))["metrics"]
    assert again["test/rmse"] == pytest.approx(metrics["test/rmse"])
    split, _ = split_lists(recipe.data)
    opened = load_recommender(recipe, Bundle.open(run.bundle), MODEL_FOLDER)
    scores_RV = opened.score(split.test)
    stars_R = np.where((split.test.users_R + split.test.targets.items) % 2, 4.5, 2.0)
    missed_R = scores_RV[np.arange(len(stars_R)), split.test.targets.items].clip(2, 4.5) - stars_R
    assert metrics["test/rmse"] == pytest.approx(np.sqrt((missed_R**2).mean()), rel=1e-4)


def test_questions_know_the_ratings_of_their_targets() -> None:
    lists = replace(ItemLists.of([[0, 1, 2], [2, 1, 0]]), actions_E=np.arange(6, dtype=np.int32))
    split = leave_one_out(lists, 3, LEAVE_ONE_OUT)
    assert split.valid.target_actions_E is not None and split.valid.target_actions_E.tolist() == [1, 4]
    second = split.test.take(np.array([1]))
    assert second.target_actions_E is not None and second.target_actions_E.tolist() == [5]
