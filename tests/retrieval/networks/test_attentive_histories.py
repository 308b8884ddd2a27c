"""Served attention over histories and their components, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.data.item_lists import ItemLists
from aisle.data.questions import Questions
from aisle.metrics import Targets
from aisle.retrieval.networks import AttentiveHistories

TABLES = {
    "users_UD": np.array([[0.5]]),
    "items_VD": np.array([[1.0], [2.0], [3.0]]),
    "taken_VD": np.array([[10.0], [20.0], [40.0]]),
    "users_UA": np.array([[1.0]]),
    "items_VA": np.array([[0.0], [np.log(3.0)], [-9.0]]),
    "attention_A": np.array([1.0]),
    "components_VMF": np.array([[[1.0], [3.0]], [[2.0], [0.0]], [[0.0], [0.0]]]),
    "content_users_UA": np.array([[0.0]]),
    "content_FA": np.array([[1.0]]),
    "content_attention_A": np.array([np.log(3.0) / 2]),
    "content_to_attention_FA": np.array([[0.0]]),
}


def asked(history: list[int]) -> Questions:
    return Questions(ItemLists.of([history]), Targets.from_lists([[0]]), np.array([0]))


def test_a_history_weighed_by_hand() -> None:
    """Hidden values 1, 1 + log 3 and relu(-8) = 0: weights e : 3e : 1."""
    served = AttentiveHistories(TABLES, max_history=3)
    np.testing.assert_allclose(served.score(asked([0, 1]))[0], np.array([1, 2, 3]) * (0.5 + 10 / 4 + 60 / 4), rtol=1e-6)
    total = 4 * np.e + 1
    expected = 0.5 + (10 * np.e + 20 * 3 * np.e + 40) / total
    np.testing.assert_allclose(served.score(asked([0, 1, 2]))[0, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(served.score(asked([]))[0], [0.5, 1.0, 1.5])


def test_only_the_last_items_count() -> None:
    served = AttentiveHistories(TABLES, max_history=1)
    np.testing.assert_allclose(served.score(asked([1, 0]))[0, 0], 10.5)


def test_components_weighed_by_hand() -> None:
    """Components 1 and 3 weigh 1 : 3, so that the content of item 0 is 2.5; item 1 has one, of 2; item 2 has none."""
    tables = {**TABLES, "items_VA": np.zeros((3, 1)), "content_to_attention_FA": np.array([[1.0]])}
    served = AttentiveHistories(tables, max_history=3)
    weights = np.exp([1 + 2.5, 1 + 2.0, 1.0])
    expected = 0.5 + weights @ [10, 20, 40] / weights.sum()
    np.testing.assert_allclose(served.score(asked([0, 1, 2]))[0, 0], expected, rtol=1e-6)


def test_a_missing_table_is_named() -> None:
    with pytest.raises(ValueError, match="expected the tables users_UD"):
        AttentiveHistories({"users_UD": TABLES["users_UD"]}, max_history=1)
