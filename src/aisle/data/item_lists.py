"""Lists of items, one per user or session, oldest first, in compressed rows.

Legend of shapes: R lists, E entries of all lists together, T positions, V items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.errors import DataError

_Value = TypeVar("_Value", np.int32, np.int64)
#: What stands where a padded list has no item.
PADDING = -1
#: Buckets of the time between two events: nothing came before; the same second; and by powers of 2 seconds.
NUM_GAPS = 34
_GAP_EDGES = 2 ** np.arange(NUM_GAPS - 2)


@dataclass(frozen=True)
class ItemLists:
    """R lists of item rows; list r is ``items_E[starts_R1[r]:starts_R1[r + 1]]``.

    Attributes:
        starts_R1: Where each list starts, and where the last one ends: [R + 1], int64.
        items_E: Item rows from 0 on, int32.
        actions_E: What was done with each, rows of actions from 0 on, -1 where it is none of them; missing: not known.
        times_E: When, in seconds; missing: not known.
    """

    starts_R1: NDArray[np.int64]
    items_E: NDArray[np.int32]
    actions_E: NDArray[np.int32] | None = None
    times_E: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, lists: Sequence[Sequence[int] | NDArray[np.signedinteger[Any]]]) -> ItemLists:
        """From one sequence of item rows per list."""
        sizes_R = np.fromiter((len(one) for one in lists), np.int64, len(lists))
        parts = [np.asarray(one, np.int32) for one in lists]
        return cls.of_sizes(sizes_R, np.concatenate(parts) if parts else np.zeros(0, np.int32))

    @classmethod
    def of_sizes(cls, sizes_R: NDArray[np.signedinteger[Any]], items_E: NDArray[np.signedinteger[Any]]) -> ItemLists:
        """From the length of each list and all entries one after another."""
        if int(sizes_R.sum()) != len(items_E):
            raise ValueError(f"expected {int(sizes_R.sum())} entries in {len(sizes_R)} lists, received {len(items_E)}")
        starts_R1 = np.zeros(len(sizes_R) + 1, np.int64)
        np.cumsum(sizes_R, out=starts_R1[1:])
        return cls(starts_R1, np.ascontiguousarray(items_E, np.int32))

    @classmethod
    def empty(cls, num_lists: int) -> ItemLists:
        """So many lists without entries."""
        return cls(np.zeros(num_lists + 1, np.int64), np.zeros(0, np.int32))

    def __len__(self) -> int:
        return len(self.starts_R1) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        if not 0 <= row < len(self):
            raise IndexError(f"expected a list from 0 to {len(self) - 1}, received {row}")
        return self.items_E[self.starts_R1[row] : self.starts_R1[row + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return (self[row] for row in range(len(self)))

    @property
    def sizes_R(self) -> NDArray[np.int64]:
        """The length of each list."""
        return np.diff(self.starts_R1)

    @property
    def list_E(self) -> NDArray[np.int64]:
        """The list that each entry belongs to."""
        return np.repeat(np.arange(len(self)), self.sizes_R)

    @property
    def position_E(self) -> NDArray[np.int64]:
        """The place of each entry in its list, from 0."""
        return np.arange(len(self.items_E)) - np.repeat(self.starts_R1[:-1], self.sizes_R)

    def where(self, is_kept_E: NDArray[np.bool_]) -> ItemLists:
        """Each list with some of its entries alone."""
        sizes_R = np.bincount(self.list_E[is_kept_E], minlength=len(self))
        starts_R1 = np.concatenate([[0], np.cumsum(sizes_R)])
        return self._picked(starts_R1, is_kept_E)

    def take(self, rows: NDArray[np.signedinteger[Any]] | slice) -> ItemLists:
        """Some of the lists, in the given order."""
        starts_R, sizes_R = self.starts_R1[:-1][rows], self.sizes_R[rows]
        return self._between(starts_R, sizes_R)

    def first(self, counts_R: NDArray[np.signedinteger[Any]] | int) -> ItemLists:
        """The first so many entries of each list."""
        return self._between(self.starts_R1[:-1], np.minimum(self.sizes_R, counts_R))

    def last(self, counts_R: NDArray[np.signedinteger[Any]] | int) -> ItemLists:
        """The last so many entries of each list."""
        kept_R = np.minimum(self.sizes_R, counts_R)
        return self._between(self.starts_R1[1:] - kept_R, kept_R)

    def without_last(self, count: int) -> ItemLists:
        """Each list without its last entries; one that is shorter is empty."""
        return self.first(np.maximum(self.sizes_R - count, 0))

    def join(self, other: ItemLists) -> ItemLists:
        """Each list of this, and behind it the list of the other at the same place; of what both know."""
        if len(self) != len(other):
            raise ValueError(f"expected {len(self)} lists to join, received {len(other)}")
        order_E = np.argsort(np.concatenate([self.list_E, other.list_E]), kind="stable")
        return ItemLists(
            self.starts_R1 + other.starts_R1,
            np.concatenate([self.items_E, other.items_E])[order_E],
            _both(self.actions_E, other.actions_E, order_E),
            _both(self.times_E, other.times_E, order_E),
        )

    def padded(self, length: int) -> NDArray[np.int32]:
        """The last ``length`` entries of each list, at the left, :data:`PADDING` behind them: [R, T]."""
        kept = self.last(length)
        return kept._beside_padding(kept.items_E, length)

    def padded_actions(self, length: int) -> NDArray[np.int32]:
        """The actions where :meth:`padded` has items.

        Raises:
            DataError: there are entries, and it is not known what was done.
        """
        kept = self.last(length)
        return kept._beside_padding(_known(kept.actions_E, kept, "actions"), length)

    def padded_times(self, length: int) -> NDArray[np.int64]:
        """The seconds where :meth:`padded` has items.

        Raises:
            DataError: there are entries, and it is not known when they were.
        """
        kept = self.last(length)
        return kept._beside_padding(_known(kept.times_E, kept, "times"), length)

    def counts(self, num_items: int) -> sparse.csr_matrix:
        """How often each list holds each item: [R, V], float32."""
        ones_E = np.ones(len(self.items_E), np.float32)
        matrix = sparse.csr_matrix((ones_E, self.items_E, self.starts_R1), shape=(len(self), num_items), copy=True)
        matrix.sum_duplicates()
        return matrix

    def _between(self, starts_R: NDArray[np.int64], sizes_R: NDArray[np.int64]) -> ItemLists:
        starts_R1 = np.zeros(len(sizes_R) + 1, np.int64)
        np.cumsum(sizes_R, out=starts_R1[1:])
        places_E = np.arange(starts_R1[-1]) + np.repeat(starts_R - starts_R1[:-1], sizes_R)
        return self._picked(starts_R1, places_E)

    def _picked(self, starts_R1: NDArray[np.int64], entries: NDArray[Any]) -> ItemLists:
        actions_E = None if self.actions_E is None else self.actions_E[entries]
        times_E = None if self.times_E is None else self.times_E[entries]
        return ItemLists(starts_R1, self.items_E[entries], actions_E, times_E)

    def _beside_padding(self, values_E: NDArray[_Value], length: int) -> NDArray[_Value]:
        padded_RT = np.full((len(self), length), PADDING, values_E.dtype)
        padded_RT[self.list_E, self.position_E] = values_E
        return padded_RT


def time_gaps(times_RT: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bucket [R, T], below :data:`NUM_GAPS`, of the seconds since the position before; of the first it is 0."""
    gaps_RT = np.zeros_like(times_RT)
    gaps_RT[:, 1:] = 1 + np.searchsorted(_GAP_EDGES, np.diff(times_RT, axis=1), side="right")
    return gaps_RT


def _both(
    ours_E: NDArray[_Value] | None, theirs_E: NDArray[_Value] | None, order_E: NDArray[np.int64]
) -> NDArray[_Value] | None:
    return None if ours_E is None or theirs_E is None else np.concatenate([ours_E, theirs_E])[order_E]


def _known(values_E: NDArray[_Value] | None, lists: ItemLists, name: str) -> NDArray[_Value]:
    if values_E is not None:
        return values_E
    if len(lists.items_E):
        raise DataError(f"expected lists with {name}, as the model was trained on, received lists of items alone")
    return np.zeros(0, np.int64)
