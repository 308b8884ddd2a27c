"""What people did, from a file to questions, and long lists in pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle.data.action_lists import ActionLists, split_actions
from aisle.data.item_lists import ItemLists
from aisle.errors import DataError
from aisle.recipe.actions import ActionDataSpec

#: Ann did four things, Bob two, Cid three.
ROWS = {
    "user_id": ["cid", "ann", "ann", "bob", "ann", "cid", "ann", "bob", "cid"],
    "item": ["x", "y", "x", "z", "z", "y", "y", "x", "z"],
    "did": ["view", "buy", "view", "view", "cart", "buy", "view", "buy", "cart"],
    "at": [1, 2, 1, 1, 3, 2, 4, 2, 3],
}


def spec_of(path: Path, positive: list[int | str]) -> ActionDataSpec:
    pl.DataFrame(ROWS).write_parquet(path)
    columns = {"item": "item", "action": "did", "order": "at"}
    return ActionDataSpec.model_validate({"train": str(path), "columns": columns, "positive": positive})


def test_the_last_action_is_asked_for(tmp_path: Path) -> None:
    split = split_actions(spec_of(tmp_path / "did.parquet", ["buy"]))
    assert (split.item_ids.to_list(), split.actions) == (["x", "y", "z"], ("buy", "cart", "view"))
    assert split.is_positive_A.tolist() == [True, False, False]
    assert [one.tolist() for one in split.train.items] == [[0, 1], [2, 0], [0]], "Bob's two train alone"
    assert [one.tolist() for one in split.train.actions] == [[2, 0], [2, 0], [2]]
    assert (split.valid.item_R.tolist(), split.valid.action_R.tolist()) == ([2, 1], [1, 0])
    assert (split.test.item_R.tolist(), split.test.action_R.tolist()) == ([1, 2], [2, 1])
    assert [one.tolist() for one in split.valid.histories.items] == [[0, 1], [0]]
    assert [one.tolist() for one in split.test.histories.actions] == [[2, 0, 1], [2, 0]]


@pytest.mark.parametrize("positive", [["bought"], ["buy", "cart", "view"], [1]])
def test_good_actions_that_are_none_or_all(tmp_path: Path, positive: list[int | str]) -> None:
    with pytest.raises(DataError, match=r"expected some, not all, of the values of did .* 'buy', 'cart', 'view'"):
        split_actions(spec_of(tmp_path / "did.parquet", positive))


def test_pieces_hold_everything_once() -> None:
    items = [[1, 2, 3, 4, 5], [], [6, 7], [8]]
    lists = ActionLists(ItemLists.of(items), ItemLists.of([[item % 2 for item in one] for one in items]))
    pieces = lists.pieces(2)
    assert [one.tolist() for one in pieces.items] == [[1], [2, 3], [4, 5], [6, 7], [8]]
    assert np.array_equal(pieces.actions.items_E, pieces.items.items_E % 2)
    assert len(lists.pieces(9)) == 3, "an empty list is no piece"


def test_an_action_beside_every_item() -> None:
    with pytest.raises(ValueError, match="an action beside every item"):
        ActionLists(ItemLists.of([[1, 2]]), ItemLists.of([[1]]))
