"""Examples of collaborative filtering: every entry once an epoch, negatives that its list does not hold."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.data.item_lists import ItemLists
from aisle.errors import DataError
from aisle.train.lists.pairs import PairExamples

LISTS = ItemLists.of([[3, 1, 3], [], [0, 1, 2, 4, 5, 6], [6]])


def examples_of(lists: ItemLists = LISTS, *, batch_size: int = 4, seed: int = 0) -> PairExamples:
    return PairExamples(lists, 7, batch_size=batch_size, num_negatives=3, seed=seed)


def test_every_entry_stands_first_once() -> None:
    batches = list(examples_of().epoch(0))
    assert [len(batch.users_B) for batch in batches] == [4, 4, 2]
    assert examples_of().num_batches == 3
    pairs = [
        (int(user), int(row[0])) for batch in batches for user, row in zip(batch.users_B, batch.items_BC, strict=True)
    ]
    expected = [(user, int(item)) for user, items in enumerate(LISTS) for item in items]
    assert sorted(pairs) == sorted(expected)


@pytest.mark.parametrize("number", range(5))
def test_negatives_are_what_a_list_does_not_hold(number: int) -> None:
    for batch in examples_of().epoch(number):
        assert batch.items_BC.shape == (len(batch.users_B), 4)
        for user, row in zip(batch.users_B.tolist(), batch.items_BC.tolist(), strict=True):
            assert not set(row[1:]) & set(LISTS[user].tolist())
            assert user != 2 or row[1:] == [3, 3, 3], "user 2 lacks but one item"


def test_negatives_are_drawn_evenly() -> None:
    lists = ItemLists.of([[0]] * 3000)
    (batch,) = PairExamples(lists, 6, batch_size=3000, num_negatives=2).epoch(0)
    counts_V = np.bincount(batch.items_BC[:, 1:].flatten().numpy(), minlength=6)
    assert counts_V[0] == 0
    np.testing.assert_allclose(counts_V[1:], 1200, atol=5 * 1200**0.5)


def test_an_epoch_is_always_the_same_and_not_another() -> None:
    examples = examples_of(batch_size=10)
    (one,), (again,), (other,) = (list(examples.epoch(number)) for number in (1, 1, 2))
    assert one.items_BC.tolist() == again.items_BC.tolist()
    assert one.items_BC.tolist() != other.items_BC.tolist()
    (seeded,) = examples_of(batch_size=10, seed=1).epoch(1)
    assert one.items_BC.tolist() != seeded.items_BC.tolist()
    assert (one.epoch, other.epoch) == (1, 2)


def test_a_list_of_all_items_has_no_negatives() -> None:
    with pytest.raises(DataError, match="list 1: expected an item that it does not hold"):
        examples_of(ItemLists.of([[0], list(range(7))]))
    with pytest.raises(DataError, match="received none"):
        examples_of(ItemLists.empty(3))
