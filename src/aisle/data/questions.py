"""What a recommender of items is asked, and what truly followed: one question per user, session or prefix.

Legend of shapes: R questions, K candidates, V items.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aisle.data.item_labels import ItemLabels
from aisle.data.item_lists import ItemLists
from aisle.data.item_texts import ItemTexts
from aisle.errors import DataError
from aisle.metrics import Targets

#: The user of a question that comes from nobody who was trained on.
NOBODY = -1


@dataclass(frozen=True)
class Questions:
    """R questions: which items come next?

    Attributes:
        histories: What each asker did so far, oldest first.
        targets: What followed.
        masked: What may not be answered; missing: everything may.
        users_R: The asker's list among the training lists, or :data:`NOBODY`, int64.
        candidates_RK: Where a protocol ranks a sample only: the items that are ranked, the target first, -1 behind
            the last one.
        target_actions_E: What was done with each target, as in :class:`ItemLists`; missing: not known.
        num_left_out: How many others sought something and are not asked, for they have no history.
    """

    histories: ItemLists
    targets: Targets
    users_R: NDArray[np.int64]
    masked: ItemLists | None = None
    candidates_RK: NDArray[np.int32] | None = None
    target_actions_E: NDArray[np.int32] | None = None
    num_left_out: int = 0

    def __post_init__(self) -> None:
        sizes = {len(self.histories), len(self.targets), len(self.users_R)}
        sizes |= {len(part) for part in (self.masked, self.candidates_RK) if part is not None}
        if len(sizes) > 1:
            raise ValueError(f"expected as many histories, targets, users and masks, received {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.histories)

    def take(self, rows: NDArray[np.int64] | slice) -> Questions:
        """Some of the questions, in the given order."""
        lists = ItemLists(self.targets.indptr, self.targets.items.astype(np.int32), self.target_actions_E).take(rows)
        return replace(
            self,
            histories=self.histories.take(rows),
            targets=Targets(lists.starts_R1, lists.items_E.astype(np.int64)),
            users_R=self.users_R[rows],
            masked=None if self.masked is None else self.masked.take(rows),
            candidates_RK=None if self.candidates_RK is None else self.candidates_RK[rows],
            target_actions_E=lists.actions_E,
        )

    def is_repeat_R(self) -> NDArray[np.bool_]:
        """Whether each question's one target stands in its history already."""
        if (self.targets.sizes != 1).any():
            raise ValueError("expected one target per question")
        histories = self.histories
        same_E = histories.items_E == np.repeat(self.targets.items, histories.sizes_R)
        return np.bincount(histories.list_E[same_E], minlength=len(self)) > 0


def no_questions() -> Questions:
    """Where nothing validates."""
    return Questions(ItemLists.empty(0), Targets.from_lists([]), np.zeros(0, np.int64))


@dataclass(frozen=True)
class ListSplit:
    """One data set under one protocol.

    Attributes:
        num_items: V; item rows are 0 to V - 1.
        train: The lists to learn from.
        valid: Questions to choose by; none where the training lists hold the validation items.
        test: Questions that are reported.
        protocol: Names what is ranked in metrics, as ``full`` or ``sampled-99``.
        item_texts: What items say of themselves, where the recipe names it.
        item_labels: Labels of items, where the recipe names them.
        actions: The name of each action that lists hold, where the recipe names them.
        train_and_valid: What trains once nothing is left to choose: first the lists of ``train``, longer. Missing: the
            validation targets go behind them.
    """

    num_items: int
    train: ItemLists
    valid: Questions
    test: Questions
    protocol: str = "full"
    item_texts: ItemTexts | None = None
    item_labels: ItemLabels | None = None
    actions: tuple[str, ...] = ()
    train_and_valid: ItemLists | None = None

    def __post_init__(self) -> None:
        parts = [self.train, self.valid.histories, self.test.histories]
        greatest = max((int(part.items_E.max(initial=-1)) for part in parts), default=-1)
        if greatest >= self.num_items:
            raise DataError(f"expected item rows below {self.num_items}, received {greatest}")
