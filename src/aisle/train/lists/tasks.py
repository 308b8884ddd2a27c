"""What models of sequences are asked in training: what is read, what is sought, and what is known beside it.

Legend of shapes: B sequences of a batch, T positions, N positions that have a target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aisle.data.item_lists import PADDING
from aisle.nn.full_softmax import KnownItems


class Task(Protocol):
    """Turns lists into what is read and what is sought."""

    def __call__(
        self, lists_BT: NDArray[np.int64], generator: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What is read and what is sought there (-1: nothing).

        Args:
            lists_BT: Lists [B, T + 1], -1 behind each.
            generator: Draws what is left to chance.
        """
        ...

    def known(self, has_target_BT: Tensor, items_BT: Tensor) -> KnownItems:
        """What a model has been told at each position that has a target, among what is read; no answer repeats it."""
        ...


class NextItems:
    """At every position the item that came next is sought."""

    def __call__(
        self, lists_BT: NDArray[np.int64], generator: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What is read and what is sought [B, T]."""
        return lists_BT[:, :-1], lists_BT[:, 1:]

    def known(self, has_target_BT: Tensor, items_BT: Tensor) -> KnownItems:
        """What stands at each position and before it."""
        return KnownItems.at(has_target_BT, items_BT)


@dataclass(frozen=True)
class Cloze:
    """Items are hidden and sought where they stood, from what stands before and behind.

    Source: Sun et al., "BERT4Rec: sequential recommendation with bidirectional encoder representations from
    transformer", CIKM 2019, section 3.6.

    Attributes:
        mask: Stands where an item is hidden; items are less.
        share: Of the items, so many are hidden; of two or more never all.
        last_share: So many lists end at a position of chance, where alone an item is hidden, as when the model serves.
    """

    mask: int
    share: float
    last_share: float

    def __call__(
        self, lists_BT: NDArray[np.int64], generator: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What is read and what is sought [B, T + 1]; something is sought of every list."""
        sizes_B, places_T = (lists_BT >= 0).sum(axis=1), np.arange(lists_BT.shape[1])
        is_cut_B = generator.random(len(lists_BT)) < self.last_share
        sizes_B = np.where(is_cut_B, generator.integers(np.minimum(2, sizes_B), sizes_B + 1), sizes_B)
        lists_BT = np.where(places_T < sizes_B[:, None], lists_BT, PADDING)
        is_hidden_BT = (generator.random(lists_BT.shape) < self.share) & (lists_BT >= 0)
        num_hidden_B = is_hidden_BT.sum(axis=1)
        is_last_alone_B = is_cut_B | (num_hidden_B == 0) | (num_hidden_B == sizes_B)
        is_last_BT = places_T == sizes_B[:, None] - 1
        is_hidden_BT = np.where(is_last_alone_B[:, None], is_last_BT, is_hidden_BT)
        return np.where(is_hidden_BT, self.mask, lists_BT), np.where(is_hidden_BT, lists_BT, PADDING)

    def known(self, has_target_BT: Tensor, items_BT: Tensor) -> KnownItems:
        """What each list shows, before and behind a hidden item; other hidden items are not known."""
        return KnownItems.shown(has_target_BT, items_BT, items_BT < self.mask)
