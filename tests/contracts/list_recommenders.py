"""The contract of every recommender over lists of items; a model enters with a subclass that fits it.

Two small worlds have known answers. In the cycle, item i is followed by i + 1; on the checkerboard, half of the users
take even items only, the others odd ones.

Shapes: R questions, V items, K answers.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.list_splits import leave_one_out
from aisle.data.questions import NOBODY, ListSplit, Questions
from aisle.evaluate.full_ranking import rank
from aisle.metrics import Targets
from aisle.recipe.list_data import LeaveOneOutSpec

NUM_ITEMS = 20
#: Who learns a world answers more than the first share rightly, who does not no more than the second; luck gives .05 in
#: the cycle and .5 on the checkerboard. They differ, as on another processor the same seed gives a few other answers.
LEARNT, NOT_LEARNT = 0.85, 0.95
LEAVE_ONE_OUT = LeaveOneOutSpec(kind="leave-one-out")


class SavedRecommender(Protocol):
    """What a model is fitted into."""

    def score(self, questions: Questions) -> NDArray[np.float32]: ...

    def save(self, writer: BundleWriter, folder: str) -> None: ...

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self: ...


def cycle_world(num_items: int = NUM_ITEMS, num_users: int = 60) -> ListSplit:
    """Every list is a stretch of the cycle 0, 1, ..., num_items - 1, 0, ..., shorter than a round."""
    sizes = 4 + np.arange(num_users) % (num_items - 6)
    lists = [(start + np.arange(size)) % num_items for start, size in enumerate(sizes)]
    return leave_one_out(ItemLists.of(lists), num_items, LEAVE_ONE_OUT)


def checkerboard_world(num_items: int = NUM_ITEMS, num_users: int = 60) -> ListSplit:
    """User r took 7 items of the parity of r, in an order that says nothing."""
    draw = np.random.default_rng(0)
    of_parity = [np.arange(parity, num_items, 2) for parity in (0, 1)]
    lists = [draw.permutation(of_parity[user % 2])[:7] for user in range(num_users)]
    return leave_one_out(ItemLists.of(lists), num_items, LEAVE_ONE_OUT)


def targets_of(items_R: NDArray[np.int64]) -> Targets:
    """One target per question."""
    return Targets(np.arange(len(items_R) + 1), items_R)


class ListRecommenderContract:
    """Inherit, name it ``Test...``, and fit the model on the given lists, with a fixed seed."""

    #: Which of the worlds the model learns; the others it must not seem to learn.
    learns: ClassVar[frozenset[str]] = frozenset({"cycle", "checkerboard"})
    #: Whether who asks matters, and not only what was taken.
    knows_users: ClassVar[bool] = False
    #: By how much scores may differ where questions come together or alone.
    tolerance: ClassVar[float] = 1e-5

    @abstractmethod
    def fit(self, split: ListSplit) -> SavedRecommender: ...

    def told(self, split: ListSplit) -> ListSplit:
        """The world with whatever else the model reads of it; the same for the same world."""
        return split

    def fitted(self, world: str) -> tuple[SavedRecommender, ListSplit]:
        """The model of a world; fitted once for all tests."""
        return _fitted(type(self), world)

    def assert_close(self, received: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
        np.testing.assert_allclose(received, expected, rtol=self.tolerance, atol=self.tolerance)

    def assert_learnt(self, world: str, share: float) -> None:
        """Of right answers, if the model learns the world; else not."""
        assert share > LEARNT if world in self.learns else share <= NOT_LEARNT

    @pytest.mark.parametrize("world", ["cycle", "checkerboard"])
    def test_every_item_has_a_number(self, world: str) -> None:
        recommender, split = self.fitted(world)
        scores_RV = recommender.score(split.test)
        assert scores_RV.shape == (len(split.test), split.num_items)
        assert scores_RV.dtype == np.float32
        assert np.isfinite(scores_RV).all()

    def test_what_follows_in_the_cycle_is_found(self) -> None:
        recommender, split = self.fitted("cycle")
        first_R1 = rank(recommender, split.test, split.num_items, 1)
        last_R = np.array([history[-1] for history in split.test.histories])
        found = np.mean(first_R1[:, 0] == (last_R + 1) % split.num_items)
        self.assert_learnt("cycle", float(found))

    def test_a_half_of_the_checkerboard_is_kept_to(self) -> None:
        recommender, split = self.fitted("checkerboard")
        ranked_RK = rank(recommender, split.test, split.num_items, 3)
        parity_R1 = np.array([[history[0] % 2] for history in split.test.histories])
        self.assert_learnt("checkerboard", float(np.mean(ranked_RK % 2 == parity_R1)))

    def test_questions_together_and_alone(self) -> None:
        recommender, split = self.fitted("cycle")
        together_RV = recommender.score(split.test)
        for row in range(0, len(split.test), 7):
            alone_1V = recommender.score(split.test.take(np.array([row])))
            self.assert_close(alone_1V[0], together_RV[row])
        reverse_R = np.arange(len(split.test))[::-1]
        self.assert_close(recommender.score(split.test.take(reverse_R)), together_RV[reverse_R])
        assert recommender.score(split.test.take(slice(0, 0))).shape == (0, split.num_items)

    def test_targets_and_masks_are_not_read(self) -> None:
        recommender, split = self.fitted("cycle")
        other = replace(split.test, targets=targets_of(np.zeros(len(split.test), np.int64)), masked=None)
        assert np.array_equal(recommender.score(other), recommender.score(split.test))

    def test_what_the_test_asks_is_not_fitted(self) -> None:
        recommender, split = self.fitted("checkerboard")
        nothing = ItemLists.of([[0]])
        test = Questions(nothing, targets_of(np.ones(1, np.int64)), np.array([0]), nothing)
        again = self.fit(replace(split, test=test))
        assert np.array_equal(again.score(split.test), recommender.score(split.test)), "the seed is fixed"

    def test_the_scores_are_the_callers(self) -> None:
        recommender, split = self.fitted("cycle")
        scores_RV = recommender.score(split.test)
        kept_RV = scores_RV.copy()
        scores_RV[:] = -np.inf
        assert np.array_equal(recommender.score(split.test), kept_RV)

    def test_one_who_did_nothing_yet_is_answered(self) -> None:
        recommender, split = self.fitted("cycle")
        nobody = Questions(ItemLists.empty(2), targets_of(np.zeros(2, np.int64)), np.full(2, NOBODY))
        scores_2V = recommender.score(nobody)
        assert np.isfinite(scores_2V).all()
        self.assert_close(scores_2V[0], scores_2V[1])
        one_of_three = split.test.histories.take(np.zeros(3, np.int64)).first(np.array([0, split.num_items, 0]))
        mixed = Questions(one_of_three, targets_of(np.zeros(3, np.int64)), np.full(3, NOBODY))
        self.assert_close(recommender.score(mixed)[[0, 2]], scores_2V)

    def test_who_asks(self) -> None:
        recommender, split = self.fitted("checkerboard")
        strangers = replace(split.test, users_R=np.full(len(split.test), NOBODY))
        scores_RV = recommender.score(strangers)
        assert np.isfinite(scores_RV).all()
        if not self.knows_users:
            assert np.array_equal(scores_RV, recommender.score(split.test))

    @pytest.mark.parametrize("world", ["cycle", "checkerboard"])
    def test_the_same_after_saving_and_loading(self, world: str, tmp_path: Path) -> None:
        recommender, split = self.fitted(world)
        with BundleWriter(tmp_path / "bundle") as writer:
            recommender.save(writer, "lists/model")
        loaded = type(recommender).load(Bundle.open(tmp_path / "bundle"), "lists/model")
        assert np.array_equal(loaded.score(split.test), recommender.score(split.test))


@cache
def _fitted(entry: type[ListRecommenderContract], world: str) -> tuple[SavedRecommender, ListSplit]:
    split = entry().told({"cycle": cycle_world, "checkerboard": checkerboard_world}[world]())
    return entry().fit(split), split
