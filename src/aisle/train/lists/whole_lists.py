"""Examples of collaborative filtering: users with all that they took, to be told from all other items.

Legend of shapes: B users of a batch, E entries of their lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aisle.data.item_lists import ItemLists
from aisle.errors import DataError


@dataclass(frozen=True)
class ListBatch:
    """Users with their lists.

    Attributes:
        users_B: Whose lists, int64.
        items_E: The items of all of them, one user after the other, int64.
        starts_B1: Where each user's start, from 0, and behind the last their number E.
    """

    users_B: Tensor
    items_E: Tensor
    starts_B1: Tensor

    @property
    def users_E(self) -> Tensor:
        """Who took each item."""
        return torch.repeat_interleave(self.users_B, self.starts_B1.diff())


class ListExamples:
    """Every list that is not empty once an epoch, in an order of chance.

    Args:
        lists: Each user's items.
        batch_size: B; the last batch of an epoch may be smaller.
        seed: Decides the order, together with the epoch.

    Raises:
        DataError: all lists are empty.
    """

    def __init__(self, lists: ItemLists, *, batch_size: int, seed: int = 0) -> None:
        self.batch_size = batch_size
        self._seed = seed
        self._lists = lists
        self._told_R = np.flatnonzero(lists.sizes_R > 0)
        if not len(self._told_R):
            raise DataError("expected interactions to learn from, received none")

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return -(-len(self._told_R) // self.batch_size)

    def epoch(self, number: int) -> Iterator[ListBatch]:
        """The batches of one epoch; those of a number are always the same."""
        order_R = np.random.default_rng([self._seed, number]).permutation(self._told_R)
        for start in range(0, len(order_R), self.batch_size):
            users_B = np.sort(order_R[start : start + self.batch_size])  # neighbours in memory stay neighbours
            lists = self._lists.take(users_B)
            items_E = torch.from_numpy(lists.items_E.astype(np.int64))
            yield ListBatch(torch.from_numpy(users_B), items_E, torch.from_numpy(lists.starts_R1))
