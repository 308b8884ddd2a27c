"""Whole lists as examples: each list once an epoch, in an order that seed and epoch decide."""

from __future__ import annotations

import pytest

from aisle.data.item_lists import ItemLists
from aisle.errors import DataError
from aisle.train.lists.whole_lists import ListExamples

LISTS = ItemLists.of([[4, 2], [], [3], [1, 0, 2], [5]])


def told(examples: ListExamples, epoch: int) -> list[tuple[int, list[int]]]:
    """Each user of an epoch with the items, in the order of the batches."""
    found = []
    for batch in examples.epoch(epoch):
        starts = batch.starts_B1.tolist()
        for place, user in enumerate(batch.users_B.tolist()):
            found.append((user, batch.items_E.tolist()[starts[place] : starts[place + 1]]))
    return found


def test_every_list_that_is_not_empty_comes_once() -> None:
    examples = ListExamples(LISTS, batch_size=3)
    assert examples.num_batches == 2
    assert [len(batch.users_B) for batch in examples.epoch(0)] == [3, 1]
    assert sorted(told(examples, 0)) == [(0, [4, 2]), (2, [3]), (3, [1, 0, 2]), (4, [5])]


def test_an_epoch_is_always_the_same_and_the_next_another() -> None:
    lists = ItemLists.of([[item] for item in range(40)])
    examples = ListExamples(lists, batch_size=10, seed=3)
    assert told(examples, 1) == told(ListExamples(lists, batch_size=10, seed=3), 1)
    assert told(examples, 1) != told(examples, 2)
    assert told(examples, 1) != told(ListExamples(lists, batch_size=10, seed=4), 1)


def test_entries_know_their_user() -> None:
    (batch,) = ListExamples(LISTS, batch_size=9).epoch(0)
    assert batch.users_E.tolist() == [0, 0, 2, 3, 3, 3, 4]


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(DataError, match="expected interactions"):
        ListExamples(ItemLists.of([[], []]), batch_size=2)
