"""HSTU over items and actions as a recommender over lists: the contract, without actions and with what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.errors import ConfigError, DataError
from aisle.pipeline import action_items
from aisle.pipeline.action_items import ActionItemScorer
from aisle.recipe.list_models.candidates import ListHstuRankerSpec
from aisle.recipe.list_models.sequential import ItemLossSpec
from aisle.train.lists.action_items import TorchActionItems, build_action_items
from aisle.train.lists.loop import LoopSettings, train_lists
from tests.contracts.list_recommenders import ListRecommenderContract, cycle_world, targets_of

SMALL: dict[str, Any] = {"dim": 16, "max_length": 12, "batch_size": 64, "dropout": 0.1, "loss": ItemLossSpec()}
HSTU = ListHstuRankerSpec(kind="hstu-ranker", **SMALL)
#: What was exported of a network with these weights.
_EXPORTED: dict[bytes, ActionItemScorer] = {}


class TestHstuRankerOfItems(ListRecommenderContract):
    """What is tested is what serves: the graph, without torch."""

    tolerance = 1e-4

    def fit(self, split: ListSplit) -> ActionItemScorer:
        trainee = build_action_items(HSTU, split, seed=1)
        train_lists(trainee, LoopSettings(epochs=20, learning_rate=0.02, schedule="linear"), None)
        weights = b"".join(tensor.numpy().tobytes() for tensor in trainee.network.state_dict().values())
        if weights not in _EXPORTED:  # exporting takes longer than training
            _EXPORTED[weights] = trainee.recommender().exported()
        return _EXPORTED[weights]


def told(split: ListSplit, num_actions: int = 3) -> ListSplit:
    """The world, and beside each item an action of chance."""
    draw = np.random.default_rng(0)
    parts = [split.train, split.test.histories]
    lists = [
        replace(part, actions_E=draw.integers(0, num_actions, len(part.items_E)).astype(np.int32)) for part in parts
    ]
    names = tuple(f"action {number}" for number in range(num_actions))
    return replace(split, train=lists[0], test=replace(split.test, histories=lists[1]), actions=names)


def test_what_is_exported_scores_as_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    split = told(cycle_world())
    torch_scorer = build_action_items(HSTU, split, seed=3).recommender()
    questions = split.test.take(np.arange(7))
    expected_RV = torch_scorer.score(questions)
    exported = torch_scorer.exported()
    for at_once in (1, 7, 1024):
        monkeypatch.setattr(action_items, "CANDIDATES_AT_ONCE", at_once)
        np.testing.assert_allclose(exported.score(questions), expected_RV, rtol=1e-4, atol=1e-5)
    some = torch_scorer.exported(is_sought_A=np.array([True, False, True]))
    history = questions.histories.take(slice(0, 1))
    one, other = (
        torch_scorer.exported(is_sought_A=np.arange(3) == action).scores_of(history, np.arange(20)) for action in (0, 2)
    )
    both = np.logaddexp(one, other)
    np.testing.assert_allclose(some.scores_of(history, np.arange(20)), both, rtol=1e-4, atol=1e-5)


def test_the_loss_is_that_of_the_item_and_of_the_action() -> None:
    """-log of the softmax over all items and actions together."""
    split = told(cycle_world())
    trainee = build_action_items(HSTU.model_copy(update={"dropout": 0.0}), split, seed=3)
    batch = next(trainee.epoch(0))
    assert batch.actions_NT is not None and batch.target_actions_N is not None
    assert torch.equal(batch.actions_NT >= 0, batch.items_NT >= 0)
    all_NV = torch.arange(20).expand(len(batch.targets_N), -1)
    sizes_N = (batch.items_NT >= 0).sum(dim=1)
    logits = trainee.network.score_candidates(batch.items_NT, batch.actions_NT, all_NV, sizes_N)
    together = functional.cross_entropy(logits.flatten(1), batch.targets_N * 3 + batch.target_actions_N)
    assert float(trainee.loss(batch).detach()) == pytest.approx(float(together.detach()), rel=1e-5)
    unknown = replace(batch, target_actions_N=torch.full_like(batch.target_actions_N, -1))
    of_item = functional.cross_entropy(logits.logsumexp(2), batch.targets_N)
    assert float(trainee.loss(unknown).detach()) == pytest.approx(float(of_item.detach()), rel=1e-5)


def test_actions_are_read_where_they_are_known() -> None:
    split = told(cycle_world())
    scorer = TorchActionItems(build_action_items(HSTU, split, seed=3).network)
    histories = split.test.histories
    assert histories.actions_E is not None
    others = replace(histories, actions_E=(histories.actions_E + 1) % 3)
    none = replace(histories, actions_E=np.full_like(histories.actions_E, -1))
    found = [scorer.score(replace(split.test, histories=one)) for one in (histories, others, none)]
    assert not np.allclose(found[0], found[1], atol=1e-4) and not np.allclose(found[0], found[2], atol=1e-4)
    with pytest.raises(DataError, match="expected lists with actions"):
        scorer.score(cycle_world().test)
    nobody = Questions(ItemLists.empty(1), targets_of(np.zeros(1, np.int64)), np.array([-1]))
    assert np.isfinite(scorer.score(nobody)).all()


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="model: expected num_heads that divides the width 16, received 3"):
        build_action_items(HSTU.model_copy(update={"num_heads": 3}), cycle_world())
