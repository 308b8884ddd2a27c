"""What people did with items, one list per person, oldest first; and the question what each does next.

Legend of shapes: R lists or questions, E entries of all lists together, A actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.item_lists import ItemLists
from aisle.data.list_files import read_columns
from aisle.errors import DataError
from aisle.recipe.actions import ActionDataSpec


@dataclass(frozen=True)
class ActionLists:
    """R lists of items, and beside each item what was done with it.

    Attributes:
        items: Item rows.
        actions: Actions from 0 on, in lists of the same lengths.
    """

    items: ItemLists
    actions: ItemLists

    def __post_init__(self) -> None:
        if not np.array_equal(self.items.starts_R1, self.actions.starts_R1):
            raise ValueError("expected an action beside every item, received lists of other lengths")

    def __len__(self) -> int:
        return len(self.items)

    @property
    def sizes_R(self) -> NDArray[np.int64]:
        """The length of each list."""
        return self.items.sizes_R

    def take(self, rows: NDArray[np.signedinteger[Any]] | slice) -> ActionLists:
        """Some of the lists, in the given order."""
        return ActionLists(self.items.take(rows), self.actions.take(rows))

    def last(self, count: int) -> ActionLists:
        """The last so many entries of each list."""
        return ActionLists(self.items.last(count), self.actions.last(count))

    def first(self, counts_R: NDArray[np.signedinteger[Any]] | int) -> ActionLists:
        """The first so many entries of each list."""
        return ActionLists(self.items.first(counts_R), self.actions.first(counts_R))

    def pieces(self, length: int) -> ActionLists:
        """The lists cut into pieces of so many entries, all of a list's but its first one full."""
        counts_R = -(-self.sizes_R // length)
        sizes_P = np.full(int(counts_R.sum()), length)
        has_entries_R = counts_R > 0
        first_R = (np.cumsum(counts_R) - counts_R)[has_entries_R]
        sizes_P[first_R] -= (counts_R * length - self.sizes_R)[has_entries_R]
        cut = (ItemLists.of_sizes(sizes_P, part.items_E) for part in (self.items, self.actions))
        return ActionLists(*cut)


@dataclass(frozen=True)
class ActionQuestions:
    """R questions: what does this person do with this item?

    Attributes:
        histories: What each did so far.
        item_R: The item, int32.
        action_R: What truly was done with it, int32.
    """

    histories: ActionLists
    item_R: NDArray[np.int32]
    action_R: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.histories)


@dataclass(frozen=True)
class ActionSplit:
    """What people did, all but the last two of each to learn from.

    Attributes:
        item_ids: The id of each item row.
        actions: The value of each action, sorted.
        is_positive_A: Which actions are the good ones.
        train: What is learned from.
        valid: The last but one of each list.
        test: The last one; its histories hold what validates.
    """

    item_ids: pl.Series
    actions: tuple[int | str, ...]
    is_positive_A: NDArray[np.bool_]
    train: ActionLists
    valid: ActionQuestions
    test: ActionQuestions


def split_actions(spec: ActionDataSpec) -> ActionSplit:
    """The data of a recipe, leave one out; lists of fewer than three interactions train alone.

    Raises:
        DataError: the file is not as expected, holds no list of three, or the good actions are none of it, or all.
    """
    columns = spec.columns
    names = [name for name in (columns.user, columns.item, columns.action, columns.order) if name is not None]
    frame = read_columns(spec.train, list(dict.fromkeys(names)))
    frame = frame.sort([columns.user, *([] if columns.order is None else [columns.order])], maintain_order=True)
    item_ids, actions = (frame[name].unique().sort() for name in (columns.item, columns.action))
    sizes_R = frame[columns.user].rle().struct.field("len").to_numpy()
    rows = (ids.search_sorted(frame[ids.name]).to_numpy() for ids in (item_ids, actions))
    lists = ActionLists(*(ItemLists.of_sizes(sizes_R, part_E) for part_E in rows))
    values = tuple(actions.to_list())
    is_positive_A = np.array([value in spec.positive for value in values])
    if not set(spec.positive) <= set(values) or is_positive_A.all():
        raise DataError(
            f"data.positive: expected some, not all, of the values of {columns.action} in {spec.train}, which are "
            f"{_listed(values)}; received {_listed(spec.positive)}"
        )
    asks_R = np.flatnonzero(lists.sizes_R >= 3)
    if not len(asks_R):
        raise DataError(f"{spec.train}: expected users with three interactions or more, received none")
    kept_R = lists.sizes_R.copy()
    kept_R[asks_R] -= 2
    of_askers = lists.take(asks_R)
    return ActionSplit(
        item_ids.rename("item_id"), values, is_positive_A, lists.first(kept_R), _ask(of_askers, 2), _ask(of_askers, 1)
    )


def _ask(lists: ActionLists, place: int) -> ActionQuestions:
    """The question for the entry that is so many-th from the end."""
    sizes_R = lists.sizes_R
    asked = lists.first(sizes_R - place + 1).last(1)
    return ActionQuestions(lists.first(sizes_R - place), asked.items.items_E, asked.actions.items_E)


def _listed(values: Sequence[int | str]) -> str:
    some = ", ".join(map(repr, values[:20]))
    return f"{some} and {len(values) - 20} more" if len(values) > 20 else some
