"""Lists and questions that the tests of this room ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, ListSplit, Questions, no_questions
from aisle.metrics import Targets


def split_of(lists: Sequence[Sequence[int]], num_items: int) -> ListSplit:
    """Training lists, and nothing asked."""
    return ListSplit(num_items, ItemLists.of(lists), no_questions(), no_questions())


def ask(*histories: Sequence[int], users: Sequence[int] | None = None) -> Questions:
    """One question per history; the target is item 0 and nothing is masked."""
    users_R = np.full(len(histories), NOBODY) if users is None else np.array(users, np.int64)
    return Questions(ItemLists.of(histories), Targets.from_lists([[0]] * len(histories)), users_R)
