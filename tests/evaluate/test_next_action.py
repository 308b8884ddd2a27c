"""Baselines of the next action against answers worked by hand, and a ranker measured beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from aisle.data.action_lists import ActionLists, ActionQuestions, ActionSplit
from aisle.data.item_lists import ItemLists
from aisle.evaluate.action_baselines import BASELINES, fit_action_baselines, item_mean, user_and_item, user_mean
from aisle.evaluate.next_action import predict_actions, report_actions
from aisle.evaluate.predictions import Predictions


def questions_of(items: list[list[int]], actions: list[list[int]]) -> ActionQuestions:
    """The last of each list is asked for."""
    lists = ActionLists(ItemLists.of(items), ItemLists.of(actions))
    asked = lists.last(1)
    return ActionQuestions(lists.first(lists.sizes_R - 1), asked.items.items_E, asked.actions.items_E)


def probabilities(log_odds_R: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-log_odds_R))


def test_means_drawn_to_that_of_all() -> None:
    """Of six known actions three are good: item 0 has 2 of 2, item 1 has 1 of 3, item 2 none of 1, item 3 is new."""
    questions = questions_of([[0, 1, 1], [0, 1, 2], [1, 2, 3]], [[1, 1, 0], [1, 0, 0], [0, 0, 1]])
    label_E = questions.histories.actions.items_E.astype(np.float64)
    assert label_E.mean() == 0.5
    assert probabilities(item_mean(questions, label_E, 2.0)) == pytest.approx([2 / 5, 1 / 3, 1 / 2])
    assert probabilities(user_mean(questions, label_E, 2.0)) == pytest.approx([3 / 4, 1 / 2, 1 / 4])


def test_both_effects_together() -> None:
    """By symmetry: the friendly person and the good item have the effect b that solves b = error of both / strength."""
    questions = questions_of([[0, 1, 0], [0, 1, 1]], [[1, 1, 1], [0, 0, 0]])
    label_E = questions.histories.actions.items_E.astype(np.float64)
    told_R = user_and_item(questions, label_E, 0.5)
    assert told_R[0] == pytest.approx(-told_R[1], abs=1e-4)
    effect = told_R[0]  # items are alike, and the mean is even: only the person counts
    assert effect == pytest.approx(2 * (1 - probabilities(effect)) / 0.5, abs=1e-4)


def make_split(seed: int = 0, num_users: int = 300) -> ActionSplit:
    """An item is the better liked the greater its number is, whoever is asked."""
    generator = np.random.default_rng(seed)
    items = generator.integers(0, 10, (num_users, 12))
    actions = (generator.random(items.shape) < (items + 0.5) / 10).astype(int)
    lists = ActionLists(ItemLists.of(list(items)), ItemLists.of(list(actions)))
    known = (lists.first(10), lists.first(11))
    asks = [ActionQuestions(one, items[:, at].astype(np.int32), actions[:, at].astype(np.int32)) for one, at in
            zip(known, (10, 11), strict=True)]  # fmt: skip
    ids = pl.Series("item_id", np.arange(10))
    return ActionSplit(ids, (0, 1), np.array([False, True]), known[0], asks[0], asks[1])


class Knows:
    """Gives each item its true odds; the good action stands second of two."""

    def logits(self, histories: ActionLists, candidates_RK: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        share_RK = (candidates_RK + 0.5) / 10
        return np.log(np.stack([1 - share_RK, share_RK], axis=2)).astype(np.float32)


def test_a_ranker_beside_baselines() -> None:
    split = make_split()
    predictions = predict_actions(Knows(), split.test, split.is_positive_A)
    assert predictions.probability_R == pytest.approx((split.test.item_R + 0.5) / 10, abs=1e-6)
    baselines = fit_action_baselines(split)
    assert list(baselines) == list(BASELINES)
    report = report_actions(predictions, baselines)
    found = {name: one["metrics"]["test/auc"] for name, one in report["baselines"].items()}
    assert found["item-mean"] == pytest.approx(report["metrics"]["test/auc"], abs=0.02)
    assert found["user-and-item"] > 0.75 and found["user-mean"] < 0.6
    verdicts = {name: one["differences"]["test/auc"]["verdict"] for name, one in report["baselines"].items()}
    assert verdicts == {"item-mean": "tie", "user-mean": "better", "user-and-item": "tie"}
    low, high = report["intervals"]["test/auc"]
    assert low < report["metrics"]["test/auc"] < high


def test_several_good_actions_add_up() -> None:
    class Even:
        def logits(self, histories: ActionLists, candidates_RK: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
            return np.zeros((*candidates_RK.shape, 4), np.float32)

    questions = questions_of([[0, 1], [1, 0]], [[0, 3], [0, 0]])
    predictions = predict_actions(Even(), questions, np.array([False, True, True, True]))
    assert isinstance(predictions, Predictions)
    assert predictions.probability_R == pytest.approx([0.75, 0.75])
    assert predictions.label_R.tolist() == [1, 0]
