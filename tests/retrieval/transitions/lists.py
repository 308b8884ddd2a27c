"""Tiny splits and questions, to be worked by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, ListSplit, Questions
from aisle.metrics import Targets


def ask(*histories: Sequence[int], targets: Sequence[int] | None = None) -> Questions:
    """Questions of strangers, with nothing masked; targets are of no matter where they are not given."""
    wanted_R = np.array([0] * len(histories) if targets is None else targets, np.int64)
    one_each = Targets(np.arange(len(histories) + 1), wanted_R)
    return Questions(ItemLists.of(histories), one_each, np.full(len(histories), NOBODY))


def split_of(*lists: Sequence[int], num_items: int, valid: Questions | None = None) -> ListSplit:
    """Training lists, and nothing to test."""
    return ListSplit(num_items, ItemLists.of(lists), ask() if valid is None else valid, ask())
