"""Examples of collaborative filtering: who took what, beside items that they did not take.

Legend of shapes: E entries of all lists, B positives of a batch, C items of an example (the taken one, then negatives).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.data.item_lists import ItemLists
from aisle.errors import DataError

#: How often negatives are drawn again where a list has the item; what is left then is a list of nearly all items.
_DRAWS = 20


@dataclass(frozen=True)
class PairBatch:
    """B positives, each with its negatives.

    Attributes:
        users_B: Whose list, int64.
        items_BC: The taken item first, then the negatives, int64.
        epoch: The epoch that it belongs to, from 0.
    """

    users_B: Tensor
    items_BC: Tensor
    epoch: int


class PairExamples:
    """Every entry of every list once an epoch, with new negatives, drawn evenly from what its list does not hold.

    Args:
        lists: Each user's items.
        num_items: V.
        batch_size: B; the last batch of an epoch may be smaller.
        num_negatives: C - 1.
        seed: Decides order and negatives, together with the epoch.

    Raises:
        DataError: there are no entries, or a list holds all items, so that it has no negative.
    """

    def __init__(self, lists: ItemLists, num_items: int, *, batch_size: int, num_negatives: int, seed: int = 0) -> None:
        users_E = lists.list_E
        if not len(users_E):
            raise DataError("expected interactions to learn from, received none")
        self.num_items = num_items
        self.batch_size = batch_size
        self.num_negatives = num_negatives
        self._seed = seed
        self._users_E = users_E
        self._items_E = lists.items_E.astype(np.int64)
        self._taken = np.unique(users_E * num_items + self._items_E)
        sizes_R = np.bincount(self._taken // num_items)
        if int(sizes_R.max()) >= num_items:
            raise DataError(f"list {int(sizes_R.argmax())}: expected an item that it does not hold, it holds all")

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return -(-len(self._users_E) // self.batch_size)

    def epoch(self, number: int) -> Iterator[PairBatch]:
        """The batches of one epoch; those of a number are always the same."""
        generator = np.random.default_rng([self._seed, number])
        order_E = generator.permutation(len(self._users_E))
        for start in range(0, len(order_E), self.batch_size):
            rows_B = np.sort(order_E[start : start + self.batch_size])  # neighbours in memory stay neighbours
            users_B = self._users_E[rows_B]
            negatives_BN = self._negatives(users_B, generator)
            items_BC = np.concatenate([self._items_E[rows_B, None], negatives_BN], axis=1)
            yield PairBatch(torch.from_numpy(users_B), torch.from_numpy(items_BC), number)

    def _negatives(self, users_B: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        shape = (len(users_B), self.num_negatives)
        first_BN = np.broadcast_to((users_B * self.num_items)[:, None], shape).ravel()
        drawn = generator.integers(self.num_items, size=first_BN.shape)
        wrong = np.flatnonzero(self._is_taken(first_BN + drawn))
        for _ in range(_DRAWS):
            if not len(wrong):
                break
            drawn[wrong] = generator.integers(self.num_items, size=len(wrong))
            wrong = wrong[self._is_taken(first_BN[wrong] + drawn[wrong])]
        for place in wrong:  # of a list of nearly all items, the few others
            user = int(first_BN[place]) // self.num_items
            drawn[place] = generator.choice(self._not_taken(user))
        return drawn.reshape(shape)

    def _is_taken(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        places = np.minimum(np.searchsorted(self._taken, keys), len(self._taken) - 1)
        is_taken: NDArray[np.bool_] = self._taken[places] == keys
        return is_taken

    def _not_taken(self, user: int) -> NDArray[np.int64]:
        begin, end = np.searchsorted(self._taken, [user * self.num_items, (user + 1) * self.num_items])
        return np.setdiff1d(np.arange(self.num_items), self._taken[begin:end] % self.num_items)
