"""The protocol of moments: what was before one trains, and what came after it is sought.

Legend of shapes: R lists or questions, E entries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, ListSplit, Questions, no_questions
from aisle.errors import DataError
from aisle.metrics import Targets
from aisle.recipe.list_data import TimeSpec


def split_at_moments(lists: ItemLists, num_items: int, spec: TimeSpec) -> ListSplit:
    """Events before a moment train, those of the next stretch validate, the last are tested.

    Args:
        lists: One per user, in the order of their times.
        num_items: V.
        spec: The moments, and what is sought.

    Raises:
        DataError: nothing lies before, between or behind the moments.
    """
    assert lists.times_E is not None, "the recipe names the column of times"
    valid_from, test_from = (_moment(border, lists.times_E) for border in (spec.valid_from, spec.test_from))
    borders = [test_from] if spec.train_on_validation else [valid_from, test_from]
    places = np.searchsorted(np.sort(lists.times_E), borders)
    sizes = np.diff(places, prepend=0, append=len(lists.times_E)).tolist()
    if min(sizes) <= 0:
        raise DataError(f"data.split: expected events on each side of the seconds {borders}, received {sizes}")
    known = lists.where(lists.times_E < borders[0])
    trained_R = np.flatnonzero(known.sizes_R > 0)
    rows_R = np.full(len(lists), NOBODY)
    rows_R[trained_R] = np.arange(len(trained_R))
    test = _ask(lists, rows_R, test_from, None, spec)
    if spec.train_on_validation:
        return ListSplit(num_items, known.take(trained_R), no_questions(), test)
    valid = _ask(lists, rows_R, valid_from, test_from, spec)
    whole = lists.where(lists.times_E < test_from)
    added_R = np.flatnonzero((whole.sizes_R > 0) & (known.sizes_R == 0))
    refit = whole.take(np.concatenate([trained_R, added_R]))
    return ListSplit(num_items, known.take(trained_R), valid, test, train_and_valid=refit)


def _moment(border: float | int, times_E: NDArray[np.int64]) -> int:
    """Seconds; of a share the time of the first event behind so many of all. Events of one second stay together."""
    if isinstance(border, int):
        return border
    place = int(border * len(times_E))
    return int(np.partition(times_E, place)[place])


def _ask(lists: ItemLists, rows_R: NDArray[np.int64], start: int, end: int | None, spec: TimeSpec) -> Questions:
    """What users took from ``start`` to before ``end``, of those who did something before; nothing that is masked."""
    assert lists.times_E is not None
    known = lists.where(lists.times_E < start)
    is_later_E = lists.times_E >= start if end is None else (lists.times_E >= start) & (lists.times_E < end)
    later = lists.where(is_later_E)
    masked = None if spec.mask_last == 0 else known if spec.mask_last is None else known.last(spec.mask_last)
    if masked is not None:
        later = later.where(~_stands_in(later, masked))
    if spec.targets == "next":
        later = later.first(1)
    is_sought_R, has_history_R = later.sizes_R > 0, known.sizes_R > 0
    asks_R = np.flatnonzero(is_sought_R & has_history_R)
    sought = later.take(asks_R)
    return Questions(
        known.take(asks_R),
        Targets.from_pairs(sought.list_E, sought.items_E, len(sought)),
        rows_R[asks_R],
        None if masked is None else masked.take(asks_R),
        num_left_out=int(np.sum(is_sought_R & ~has_history_R)),
    )


def _stands_in(lists: ItemLists, others: ItemLists) -> NDArray[np.bool_]:
    """Whether each entry's item is in the other list of the same place [E]."""
    width = 1 + max(int(lists.items_E.max(initial=0)), int(others.items_E.max(initial=0)))
    return np.isin(lists.list_E * width + lists.items_E, others.list_E * width + others.items_E)
