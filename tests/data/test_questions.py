"""Questions: parts that belong together stay together, and a split that names unknown items is refused."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, ListSplit, Questions, no_questions
from aisle.errors import DataError
from aisle.metrics import Targets


def some_questions() -> Questions:
    return Questions(
        histories=ItemLists.of([[0, 1], [2], [3, 4, 3]]),
        targets=Targets.from_lists([[1], [5], [3]]),
        users_R=np.array([7, NOBODY, 9]),
        masked=ItemLists.of([[0], [], [4]]),
        candidates_RK=np.array([[1, 2], [5, -1], [3, 0]], np.int32),
    )


def test_taking_some_takes_all_their_parts() -> None:
    taken = some_questions().take(np.array([2, 0]))
    assert [one.tolist() for one in taken.histories] == [[3, 4, 3], [0, 1]]
    assert taken.targets.items.tolist() == [3, 1]
    assert taken.targets.indptr.tolist() == [0, 1, 2]
    assert taken.users_R.tolist() == [9, 7]
    assert taken.masked is not None
    assert [one.tolist() for one in taken.masked] == [[4], [0]]
    assert taken.candidates_RK is not None
    assert taken.candidates_RK.tolist() == [[3, 0], [1, 2]]


def test_taking_a_stretch_of_questions_with_several_targets() -> None:
    questions = Questions(ItemLists.of([[0], [1], [2]]), Targets.from_lists([[1, 2], [], [0, 3, 4]]), np.zeros(3, int))
    taken = questions.take(slice(1, 3))
    assert len(taken) == 2
    assert taken.masked is None
    assert taken.candidates_RK is None
    assert taken.targets.sizes.tolist() == [0, 3]
    assert taken.targets.items.tolist() == [0, 3, 4]


def test_parts_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="as many histories, targets, users and masks"):
        Questions(ItemLists.of([[0], [1]]), Targets.from_lists([[1]]), np.zeros(2, int))
    with pytest.raises(ValueError, match=r"received \[2, 3\]"):
        Questions(ItemLists.of([[0], [1]]), Targets.from_lists([[1], [1]]), np.zeros(2, int), ItemLists.empty(3))


def test_which_targets_repeat() -> None:
    assert some_questions().is_repeat_R().tolist() == [True, False, True]
    several = Questions(ItemLists.of([[0]]), Targets.from_lists([[0, 1]]), np.zeros(1, int))
    with pytest.raises(ValueError, match="one target per question"):
        several.is_repeat_R()


def test_a_split_knows_all_its_items() -> None:
    questions = some_questions()
    assert ListSplit(5, ItemLists.of([[4]]), no_questions(), questions).protocol == "full"
    with pytest.raises(DataError, match="item rows below 4, received 4"):
        ListSplit(4, ItemLists.of([[0]]), no_questions(), questions)
