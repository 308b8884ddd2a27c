"""Lists in compressed rows: every operation on a few lists worked by hand, the empty one among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.data.item_lists import NUM_GAPS, PADDING, ItemLists, time_gaps
from aisle.errors import DataError

LISTS = ItemLists.of([[5, 1, 1], [], [7], [2, 3, 4, 5]])
#: The same with actions and times: entry e was done by action e % 3, 100 e seconds after the first.
EVENTS = replace(LISTS, actions_E=np.arange(8, dtype=np.int32) % 3, times_E=100 * np.arange(8))


def plain(lists: ItemLists) -> list[list[int]]:
    return [one.tolist() for one in lists]


def test_lists_come_back_as_they_were_given() -> None:
    assert plain(LISTS) == [[5, 1, 1], [], [7], [2, 3, 4, 5]]
    assert len(LISTS) == 4
    assert LISTS.items_E.dtype == np.int32
    assert LISTS.starts_R1.tolist() == [0, 3, 3, 4, 8]
    assert LISTS.sizes_R.tolist() == [3, 0, 1, 4]


def test_where_each_entry_stands() -> None:
    assert LISTS.list_E.tolist() == [0, 0, 0, 2, 3, 3, 3, 3]
    assert LISTS.position_E.tolist() == [0, 1, 2, 0, 0, 1, 2, 3]


def test_no_lists_and_lists_without_entries() -> None:
    assert plain(ItemLists.of([])) == []
    assert plain(ItemLists.empty(2)) == [[], []]
    assert ItemLists.empty(2).padded(3).tolist() == [[PADDING] * 3] * 2
    assert plain(ItemLists.empty(2).join(ItemLists.of([[1], []]))) == [[1], []]


def test_sizes_must_add_up() -> None:
    assert plain(ItemLists.of_sizes(np.array([1, 0, 2]), np.array([4, 5, 6]))) == [[4], [], [5, 6]]
    with pytest.raises(ValueError, match="expected 3 entries in 2 lists, received 2"):
        ItemLists.of_sizes(np.array([1, 2]), np.array([4, 5]))


@pytest.mark.parametrize("row", [-1, 4])
def test_a_list_that_is_not_there(row: int) -> None:
    with pytest.raises(IndexError, match=f"expected a list from 0 to 3, received {row}"):
        LISTS[row]


def test_some_of_the_lists() -> None:
    assert plain(LISTS.take(np.array([3, 1, 0, 3]))) == [[2, 3, 4, 5], [], [5, 1, 1], [2, 3, 4, 5]]
    assert plain(LISTS.take(slice(1, 3))) == [[], [7]]
    assert plain(LISTS.take(slice(0, 0))) == []


def test_first_last_and_all_but_the_last_entries() -> None:
    assert plain(LISTS.first(2)) == [[5, 1], [], [7], [2, 3]]
    assert plain(LISTS.last(2)) == [[1, 1], [], [7], [4, 5]]
    assert plain(LISTS.without_last(1)) == [[5, 1], [], [], [2, 3, 4]]
    assert plain(LISTS.without_last(9)) == [[], [], [], []]
    counts_R = np.array([0, 1, 2, 3])
    assert plain(LISTS.first(counts_R)) == [[], [], [7], [2, 3, 4]]
    assert plain(LISTS.last(counts_R)) == [[], [], [7], [3, 4, 5]]


def test_lists_joined_one_by_one() -> None:
    assert plain(LISTS.join(ItemLists.of([[9], [8, 8], [], [6]]))) == [[5, 1, 1, 9], [8, 8], [7], [2, 3, 4, 5, 6]]
    with pytest.raises(ValueError, match="expected 4 lists to join, received 1"):
        LISTS.join(ItemLists.of([[1]]))


def test_padded_at_the_right_with_the_latest_entries() -> None:
    assert LISTS.padded(3).tolist() == [[5, 1, 1], [-1, -1, -1], [7, -1, -1], [3, 4, 5]]
    assert LISTS.padded(0).shape == (4, 0)


def test_actions_and_times_stay_with_their_items() -> None:
    parts = [
        EVENTS.take(np.array([3, 0])),
        EVENTS.first(2),
        EVENTS.last(2),
        EVENTS.without_last(1),
        EVENTS.where(EVENTS.items_E != 1),
        EVENTS.first(1).join(EVENTS.last(1)),
    ]
    assert plain(parts[4]) == [[5], [], [7], [2, 3, 4, 5]]
    for part in parts:
        assert part.actions_E is not None and part.times_E is not None
        entries = part.times_E // 100
        assert part.items_E.tolist() == LISTS.items_E[entries].tolist()
        assert part.actions_E.tolist() == (entries % 3).tolist()
    assert LISTS.join(EVENTS).actions_E is None, "of half of the entries nothing is known"


def test_padded_actions_and_times() -> None:
    assert EVENTS.padded_actions(3).tolist() == [[0, 1, 2], [-1, -1, -1], [0, -1, -1], [2, 0, 1]]
    assert EVENTS.padded_times(2).tolist() == [[100, 200], [-1, -1], [300, -1], [600, 700]]
    assert ItemLists.empty(1).padded_times(2).tolist() == [[-1, -1]], "where nothing was done nothing is missing"
    with pytest.raises(DataError, match="expected lists with actions, as the model was trained on, received lists of"):
        LISTS.padded_actions(2)


def test_time_gaps_go_by_powers_of_two() -> None:
    times_RT = np.cumsum([[9, 0, 1, 2, 3, 4, 3600, 2**40]], axis=1)
    assert time_gaps(times_RT).tolist() == [[0, 1, 2, 3, 3, 4, 13, NUM_GAPS - 1]]
    assert time_gaps(np.array([[50, 20]])).tolist() == [[0, 1]], "an order that is not of times"


def test_counts_of_items() -> None:
    counts_RV = LISTS.counts(8)
    assert counts_RV.dtype == np.float32
    assert counts_RV.toarray().tolist() == [
        [0, 2, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
        [0, 0, 1, 1, 1, 1, 0, 0],
    ]
    counts_RV.data[:] = 9
    assert plain(LISTS) == [[5, 1, 1], [], [7], [2, 3, 4, 5]], "the matrix shares nothing with the lists"


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6), st.integers(0, 7))
def test_parts_of_lists_are_those_of_python(lists: list[list[int]], count: int) -> None:
    some = ItemLists.of(lists)
    assert plain(some.first(count)) == [one[:count] for one in lists]
    assert plain(some.last(count)) == [one[len(one) - min(count, len(one)) :] for one in lists]
    assert plain(some.without_last(count)) == [one[: max(len(one) - count, 0)] for one in lists]
    assert plain(some.first(count).join(some.last(count))) == [
        one[:count] + one[len(one) - min(count, len(one)) :] for one in lists
    ]
