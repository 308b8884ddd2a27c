"""The ranker of actions keeps the contract of recommenders over lists: it ranks items by whether they will be taken.

To each world belongs what was passed over: before an item that was taken stand up to two that were not. So what the
ranker is asked is what the world knows: of the items that a person meets next, which are taken?
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.action_lists import ActionLists
from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.models.sequential.hstu_ranker import HSTURanker
from aisle.pipeline.action_ranker import ActionRanker
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.next_action import NextActionTrainee
from tests.contracts.list_recommenders import ListRecommenderContract, cycle_world

PASSED, TAKEN = 0, 1
MAX_LENGTH = 40
#: Each list is told so many times, with other items that were passed over.
COPIES = 6
#: What was exported of a network with these weights.
_EXPORTED: dict[bytes, ActionRanker] = {}


@dataclass(frozen=True)
class TakenRecommender:
    """Scores every item by the log odds that it is taken next; lists without actions are of items that were taken."""

    ranker: ActionRanker
    num_items: int

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V]."""
        candidates_RV = np.broadcast_to(np.arange(self.num_items), (len(questions), self.num_items))
        logits_RVA = self.ranker.logits(with_actions(questions.histories), candidates_RV)
        scores_RV: NDArray[np.float32] = logits_RVA[:, :, TAKEN] - logits_RVA[:, :, PASSED]
        return scores_RV

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write what the ranker's own bundle holds, and how many items there are."""
        self.ranker.save(writer, folder)
        writer.write_json(f"{folder}/items", {"num_items": self.num_items})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read it."""
        return cls(ActionRanker.load(bundle, folder), bundle.read_json(f"{folder}/items")["num_items"])


def with_actions(lists: ItemLists) -> ActionLists:
    """Lists as a ranker of actions reads them."""
    actions_E = lists.actions_E
    if actions_E is None:
        actions_E = np.full(len(lists.items_E), TAKEN, np.int32)
    plain = ItemLists(lists.starts_R1, lists.items_E)
    return ActionLists(plain, replace(plain, items_E=actions_E))


def with_passed(lists: ItemLists, num_items: int, is_wrong: NDArray[np.bool_]) -> ItemLists:
    """The lists, several times each, with items that were passed over before those that were taken.

    Args:
        lists: What was taken, oldest first.
        num_items: V.
        is_wrong: [V, V]: may the item of the column be passed over before the item of the row is taken?
    """
    draw = np.random.default_rng(0)
    items: list[int] = []
    actions: list[int] = []
    sizes: list[int] = []
    for taken in [*lists] * COPIES:
        size = len(items)
        for place, item in enumerate(taken.tolist()):
            num_passed = int(draw.integers(0, 3)) if place else 0
            items += [*draw.choice(np.flatnonzero(is_wrong[item]), num_passed).tolist(), item]
            actions += [*[PASSED] * num_passed, TAKEN]
        sizes.append(len(items) - size)
    plain = ItemLists.of_sizes(np.array(sizes), np.array(items))
    return replace(plain, actions_E=np.array(actions, np.int32))


class TestHstuRanker(ListRecommenderContract):
    """What is tested is what serves: the graph, without torch."""

    tolerance = 1e-4

    def told(self, split: ListSplit) -> ListSplit:
        places_V = np.arange(split.num_items)
        if all((np.diff(taken) % split.num_items == 1).all() for taken in split.train):
            is_wrong = places_V[:, None] != places_V
        else:
            is_wrong = (places_V[:, None] + places_V) % 2 == 1
        return replace(split, train=with_passed(split.train, split.num_items, is_wrong))

    def fit(self, split: ListSplit) -> TakenRecommender:
        model = HSTURanker(
            split.num_items,
            2,
            16,
            max_items=MAX_LENGTH,
            num_layers=2,
            dropout=0.1,
            generator=torch.Generator().manual_seed(1),
        )
        lists = with_actions(split.train)
        trainee = NextActionTrainee(model, lists, max_length=MAX_LENGTH, batch_size=16, seed=1)
        train_lists(trainee, LoopSettings(epochs=25, learning_rate=0.01, schedule="linear"), None)
        weights = b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())
        if weights not in _EXPORTED:  # exporting takes longer than training
            _EXPORTED[weights] = trainee.recommender().exported()
        return TakenRecommender(_EXPORTED[weights], split.num_items)

    @pytest.mark.parametrize("world", ["cycle", "checkerboard"])
    def test_what_was_done_counts(self, world: str) -> None:
        """Items that were passed over say something else than items that were taken."""
        recommender, split = self.fitted(world)
        histories = split.test.histories
        passed = replace(histories, actions_E=np.full(len(histories.items_E), PASSED, np.int32))
        scores_RV = recommender.score(replace(split.test, histories=passed))
        assert not np.allclose(scores_RV, recommender.score(split.test), atol=0.1)


def untrained() -> HSTURanker:
    """With weights far from 0."""
    generator = torch.Generator().manual_seed(0)
    model = HSTURanker(20, 3, 8, max_items=10, num_heads=2, dropout=0.0, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model.eval()


def test_padding_behind_a_history_changes_nothing() -> None:
    model = untrained()
    items, actions, candidates = torch.tensor([[1, 2, 3]]), torch.tensor([[0, 2, 1]]), torch.tensor([[4, 5, 1]])
    with torch.no_grad():
        alone = model.score_candidates(items, actions, candidates)
        for behind in ([-1, -1], [2, 1]):
            longer = (torch.cat([part, torch.tensor([behind])], 1) for part in (items, actions))
            padded = model.score_candidates(*longer, candidates, torch.tensor([3]))
            torch.testing.assert_close(padded, alone)


def test_what_comes_later_changes_nothing_before() -> None:
    model = untrained()
    items, actions = torch.tensor([[1, 2, 3, 4, 5]]), torch.tensor([[0, 1, 2, 1, 0]])
    with torch.no_grad():
        before = model(items, actions)
        for last in range(4):
            other_items, other_actions = items.clone(), actions.clone()
            other_items[:, last + 1 :] = torch.arange(19, 15 + last, -1)
            other_actions[:, last + 1 :] = 2 - actions[:, last + 1 :]
            after = model(other_items, other_actions)
            torch.testing.assert_close(after[:, : last + 1], before[:, : last + 1])
            assert not torch.allclose(after[:, last + 1], before[:, last + 1])


def test_first_weights_depend_on_the_generator_alone() -> None:
    weights = []
    for seed in (5, 5, 6):
        torch.rand(seed)  # what others draw does not matter
        generator = torch.Generator().manual_seed(seed)
        model = HSTURanker(len(cycle_world().train), 2, 8, max_items=5, generator=generator)
        weights.append(torch.cat([tensor.flatten() for tensor in model.state_dict().values()]))
    assert torch.isfinite(weights[0]).all()
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
