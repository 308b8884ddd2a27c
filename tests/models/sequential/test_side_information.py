"""Models of sequences that read labels of items, actions and times: what they learn of it, and what serves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.item_labels import ItemLabels
from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions, no_questions
from aisle.errors import ConfigError, DataError
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.models.sequential.side_information import Events
from aisle.recipe.list_models.sequential import ItemLossSpec, SequenceModelSpec, SideSpec
from aisle.train.lists.encoder_export import export_encoder
from aisle.train.lists.events import read_events
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.next_item import SequenceScorer
from aisle.train.lists.sequences import build_sequence_model
from tests.contracts.list_recommenders import cycle_world, targets_of
from tests.models.sequential.test_encoders import BERT4REC, GRU4REC, HSTU, SASREC, YOUTUBE_DNN, ExportedContract

ALL = SideSpec(items="both", actions=True, gaps=True)
TIMED_HSTU = HSTU.model_copy(update={"side": ALL, "time_bias": True})


def labels_of(label_V: NDArray[np.integer[Any]]) -> ItemLabels:
    """One label per item."""
    rows_V = np.arange(len(label_V))
    weights_VL = sparse.csr_matrix((np.ones(len(label_V), np.float32), (rows_V, label_V)))
    return ItemLabels(weights_VL, tuple(f"label:{number}" for number in range(weights_VL.shape[1])))


def with_events(lists: ItemLists) -> ItemLists:
    """Actions by item and place, one in five unknown; times that grow by seconds to days."""
    mixed_E = lists.items_E + lists.position_E
    times_E = (lists.position_E.astype(np.float64) ** 5).astype(np.int64) * (1 + lists.list_E % 3)
    return replace(lists, actions_E=(mixed_E % 5 - 1).astype(np.int32), times_E=times_E)


def told(split: ListSplit) -> ListSplit:
    """Items of three labels, and events."""
    return replace(
        split,
        train=with_events(split.train),
        valid=replace(split.valid, histories=with_events(split.valid.histories)),
        test=replace(split.test, histories=with_events(split.test.histories)),
        item_labels=labels_of(np.arange(split.num_items) % 3),
        actions=("view", "cart", "buy", "return"),
    )


class TestHstuWithAllOfIt(ExportedContract):
    spec: ClassVar[SequenceModelSpec] = TIMED_HSTU

    def told(self, split: ListSplit) -> ListSplit:
        return told(split)


MODELS = {
    "sasrec": SASREC.model_copy(update={"side": ALL}),
    "hstu": TIMED_HSTU,
    "gru4rec": GRU4REC.model_copy(update={"side": SideSpec(gaps=True)}),
    "youtube-dnn": YOUTUBE_DNN.model_copy(update={"side": SideSpec(items="both", actions=True)}),
    "bert4rec": BERT4REC.model_copy(update={"side": ALL}),
}


def network_of(spec: SequenceModelSpec) -> SequenceModel:
    """As it begins, but that what is told of items and events weighs much."""
    network = build_sequence_model(spec, told(cycle_world()), seed=3).network.eval()
    assert network.side is not None
    for vectors in network.side.parameters():
        vectors.data.normal_(generator=torch.Generator().manual_seed(4))
    return network


@pytest.mark.parametrize("name", MODELS)
def test_what_is_exported_scores_as_the_network(name: str) -> None:
    """Of histories that are empty, short, of one item, and longer than what the network reads."""
    network, max_length = network_of(MODELS[name]), MODELS[name].max_length
    draw = np.random.default_rng(0)
    histories = with_events(ItemLists.of([draw.integers(0, 20, size) for size in (3, 0, 1, 12, 30, 2)]))
    questions = Questions(histories, targets_of(np.zeros(6, np.int64)), np.full(6, -1))
    expected_RV = SequenceScorer(network, max_length).score(questions)
    exported = export_encoder(network, max_length)
    np.testing.assert_allclose(exported.score(questions), expected_RV, rtol=1e-4, atol=1e-4)
    short = questions.take(np.array([2]))
    np.testing.assert_allclose(exported.score(short)[0], expected_RV[2], rtol=1e-4, atol=1e-4)
    unknown = replace(questions, histories=ItemLists(histories.starts_R1, histories.items_E))
    with pytest.raises(DataError, match="expected lists with"):
        exported.score(unknown)


def events_of(network: SequenceModel, lists: ItemLists, length: int) -> Events:
    return read_events(network.side, lists, length)


@pytest.mark.parametrize("name", MODELS)
def test_padding_changes_nothing_and_no_position_sees_one_behind_it(name: str) -> None:
    network = network_of(MODELS[name])
    lists = with_events(ItemLists.of([[1, 2, 3, 4, 5]]))
    items_BT = torch.tensor([[1, 2, 3, 4, 5]])
    with torch.no_grad():
        whole_BTD = network(items_BT, events_of(network, lists, 5))
        first_BTD = network(items_BT[:, :3], events_of(network, lists.first(3), 3))
        padded_BT = torch.tensor([[1, 2, 3, -1, -1]])
        padded_BTD = network(padded_BT, events_of(network, lists.first(3), 5))
    torch.testing.assert_close(padded_BTD[:, :3], first_BTD)
    if name != "bert4rec":
        torch.testing.assert_close(whole_BTD[:, :3], first_BTD)


def test_of_a_hidden_item_nothing_is_told() -> None:
    network = network_of(MODELS["bert4rec"])
    hidden_BT, lists = torch.tensor([[1, 20, 3]]), with_events(ItemLists.of([[1, 2, 3]]))
    assert lists.actions_E is not None
    other = replace(lists, actions_E=lists.actions_E[[0, 0, 2]])
    with torch.no_grad():
        queries_BTD = [network(hidden_BT, events_of(network, one, 3)) for one in (lists, other)]
    assert torch.equal(queries_BTD[0], queries_BTD[1])


#: In the worlds below four answers follow by a rule; they are the last four items.
NUM_ITEMS, NUM_RULES = 204, 4


def world_of(source: str, seed: int, count: int) -> ListSplit:
    """Lists of three items; the last one follows from the label, the action or the lateness of the second alone.

    Halves of the other items: those that training reads, and those that the test asks with.
    """
    draw = np.random.default_rng(seed)
    rule_V = np.random.default_rng(1).integers(0, NUM_RULES, NUM_ITEMS)
    first, second = draw.permutation(np.arange(100))[:count], draw.permutation(np.arange(100))[:count]
    first, second = first + 100 * (seed % 2), second + 100 * (seed % 2)
    if source == "time_bias":  # it weighs what stands there, which must be known
        first, second = first % 4, 4 + second % 4
    rule = rule_V[second] if source == "labels" else draw.integers(0, NUM_RULES, count)
    lists = ItemLists.of(np.stack([first, second, 200 + rule], axis=1).tolist())
    zeros = np.zeros((count, 1), np.int64)
    late = 60 ** rule[:, None] * 2
    times = np.hstack([zeros, late, late]) if source in ("gaps", "time_bias") else np.zeros((count, 3), np.int64)
    actions = np.hstack([zeros, rule[:, None] if source == "actions" else zeros, zeros])
    lists = replace(lists, actions_E=actions.ravel().astype(np.int32), times_E=times.ravel())
    targets = targets_of(lists.last(1).items_E.astype(np.int64))
    asked = Questions(lists.without_last(1), targets, np.full(count, -1))
    return ListSplit(
        NUM_ITEMS, lists, no_questions(), asked, item_labels=labels_of(rule_V), actions=("a", "b", "c", "d")
    )


READS: dict[str, SequenceModelSpec] = {
    "labels": SASREC.model_copy(update={"side": SideSpec(items="read")}),
    "actions": SASREC.model_copy(update={"side": SideSpec(actions=True)}),
    "gaps": GRU4REC.model_copy(update={"side": SideSpec(gaps=True)}),
    "time_bias": HSTU.model_copy(update={"time_bias": True, "num_heads": 2}),
}


@pytest.mark.parametrize("source", READS)
def test_what_follows_from_it_alone_is_learned_from_few_examples_and_not_without(source: str) -> None:
    """Sixty lists teach; the test asks with items that training never read."""
    train, test = world_of(source, seed=0, count=60), world_of(source, seed=1, count=100)

    def share_found(spec: SequenceModelSpec) -> float:
        trainee = build_sequence_model(spec, train, seed=0)
        train_lists(trainee, LoopSettings(epochs=100, learning_rate=0.02), None)
        best_R = trainee.recommender().score(test.test).argmax(axis=1)
        return float((best_R == test.test.targets.items).mean())

    without = READS[source].model_copy(update={"side": SideSpec(), "time_bias": False})
    shares = share_found(READS[source]), share_found(without)
    assert shares[0] > 0.9 and shares[1] < 0.45


def test_labels_tell_what_to_seek_where_they_stand_on_both_sides() -> None:
    """Whoever took items of a label takes more of it: of items that nobody took yet, too."""
    label_V = np.arange(40) % 2
    lists = ItemLists.of([[2 * place + user % 2 for place in (user % 7, 3, user % 5, 1)] for user in range(30)])
    split = ListSplit(40, lists, no_questions(), no_questions(), item_labels=labels_of(label_V))
    asked = Questions(ItemLists.of([[0, 2], [1, 3]]), targets_of(np.zeros(2, np.int64)), np.full(2, -1))
    found, taken = {}, ItemLossSpec(negatives=8, popularity_power=1.0, temperature=0.1)
    for side in ("read", "both"):
        spec = SASREC.model_copy(update={"side": SideSpec.model_validate({"items": side}), "loss": taken})
        trainee = build_sequence_model(spec, split, seed=0)
        train_lists(trainee, LoopSettings(epochs=30, learning_rate=0.01), None)
        new_R = trainee.recommender().score(asked)[:, 20:]
        found[side] = min(float(new_R[row, row::2].mean() - new_R[row, 1 - row :: 2].mean()) for row in (0, 1))
    assert found["both"] > 0.2 > found["read"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"side": SideSpec(items="read")},
            "model.side.items: expected data.items with categories or numbers, received",
        ),
        ({"side": SideSpec(actions=True)}, "model.side.actions: expected a column data.columns.action, received none"),
        ({"side": SideSpec(gaps=True)}, "model.side.gaps: expected a column data.columns.time, received none; name it"),
        ({"time_bias": True}, "model.time_bias: expected a column data.columns.time, received none"),
    ],
)
def test_what_the_data_lacks_cannot_be_read(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_sequence_model(HSTU.model_copy(update=change), cycle_world())
