"""DIN, BST and DIEN over lists keep the contract of recommenders; their parts are those of the rankers over tables."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.errors import ConfigError
from aisle.evaluate.full_ranking import rank
from aisle.models.sequential.bst import ListBST
from aisle.models.sequential.candidate_model import CandidateModel
from aisle.models.sequential.dien import ListDIEN
from aisle.models.sequential.din import ListDIN
from aisle.pipeline import candidate_scorer
from aisle.pipeline.candidate_scorer import CandidateScorer
from aisle.recipe.list_models.candidates import CandidateModelSpec, ListBstSpec, ListDienSpec, ListDinSpec
from aisle.recipe.list_models.sequential import ItemLossSpec
from aisle.train.lists.candidate_export import export_candidate_model
from aisle.train.lists.candidates import TorchCandidateScorer, build_candidate_model
from aisle.train.lists.loop import LoopSettings, train_lists
from tests.contracts.list_recommenders import LEARNT, ListRecommenderContract, cycle_world, targets_of

SMALL: dict[str, Any] = {"dim": 16, "max_length": 12, "hidden": [32], "batch_size": 64, "loss": ItemLossSpec()}
DIN = ListDinSpec(kind="din", attention_layers=[16], **SMALL)
BST = ListBstSpec(kind="bst", **SMALL)
DIEN = ListDienSpec(kind="dien", **SMALL)
MODELS: list[CandidateModelSpec] = [DIN, BST, DIEN]
NAMES = ["din", "bst", "dien"]
#: What was exported of a network with these weights.
_EXPORTED: dict[bytes, CandidateScorer] = {}


class CandidateContract(ListRecommenderContract):
    """What is tested is what serves: the graph, without torch."""

    spec: ClassVar[CandidateModelSpec]

    def fit(self, split: ListSplit) -> CandidateScorer:
        trainee = build_candidate_model(self.spec, split, seed=1)
        train_lists(trainee, LoopSettings(epochs=15, learning_rate=0.02, schedule="linear"), None)
        weights = b"".join(tensor.numpy().tobytes() for tensor in trainee.network.state_dict().values())
        if weights not in _EXPORTED:  # exporting takes longer than training
            _EXPORTED[weights] = export_candidate_model(trainee.network)
        return _EXPORTED[weights]


class TestDin(CandidateContract):
    spec = DIN


class TestBst(CandidateContract):
    spec = BST


class TestDien(CandidateContract):
    spec = DIEN


@pytest.mark.parametrize(
    ("spec", "loss", "positions"),
    [
        (DIN, ItemLossSpec(negatives=12, popularity_power=0.5, log_q=True), None),
        (DIN, ItemLossSpec(negatives=12, hard=4), 3),
        (BST, ItemLossSpec(in_batch=True, log_q=True), None),
        (DIEN, ItemLossSpec(kind="bce", negatives=12), 3),
    ],
)
def test_they_learn_by_other_losses(spec: CandidateModelSpec, loss: ItemLossSpec, positions: int | None) -> None:
    split = cycle_world()
    trainee = build_candidate_model(spec.model_copy(update={"loss": loss, "positions": positions}), split, seed=1)
    train_lists(trainee, LoopSettings(epochs=25, learning_rate=0.02, schedule="linear"), None)
    first_R1 = rank(trainee.recommender(), split.test, split.num_items, 1)
    last_R = np.array([history[-1] for history in split.test.histories])
    assert np.mean(first_R1[:, 0] == (last_R + 1) % split.num_items) > LEARNT


def network_of(spec: CandidateModelSpec) -> CandidateModel:
    """With weights as if it had been trained: none is 0, vectors are not small."""
    network = build_candidate_model(spec, cycle_world(), seed=3).network.eval()
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.empty_like(parameter).normal_(0.0, 0.2, generator=draw))
    return network


@pytest.mark.parametrize("spec", MODELS, ids=NAMES)
def test_what_is_exported_scores_as_the_network(spec: CandidateModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of histories that are empty, short, of one item, and longer than what is read; in blocks of any size."""
    network = network_of(spec)
    draw = np.random.default_rng(0)
    histories = ItemLists.of([draw.integers(0, 20, size) for size in (3, 0, 1, 12, 30, 2)])
    questions = Questions(histories, targets_of(np.zeros(6, np.int64)), np.full(6, -1))
    expected_RV = TorchCandidateScorer(network).score(questions)
    scorer = export_candidate_model(network)
    for at_once in (1, 7, 256):
        monkeypatch.setattr(candidate_scorer, "CANDIDATES_AT_ONCE", at_once)
        np.testing.assert_allclose(scorer.score(questions), expected_RV, rtol=1e-4, atol=1e-5)
    assert (expected_RV[1] == 0).all(), "an empty history says nothing"
    assert (expected_RV.std(axis=0) > 0).all()
    some = np.array([7, 3, 3])
    np.testing.assert_allclose(scorer.scores_of(histories.take(slice(4, 5)), some), expected_RV[4, some], rtol=1e-4)


@pytest.mark.parametrize("spec", MODELS, ids=NAMES)
def test_candidates_together_are_as_each_alone(spec: CandidateModelSpec) -> None:
    network = network_of(spec)
    items_BT = torch.tensor([[1, 2, 3], [4, 5, -1]])
    with torch.no_grad():
        together_BK = network(items_BT, torch.tensor([[6, 7, 1, 6], [8, 9, 5, 4]]))
        for number, candidates in enumerate([[6, 8], [7, 9], [1, 5], [6, 4]]):
            alone_B1 = network(items_BT, torch.tensor(candidates)[:, None])
            torch.testing.assert_close(alone_B1[:, 0], together_BK[:, number])
    assert together_BK[0].unique().numel() == 3 and together_BK[1].unique().numel() == 4


@pytest.mark.parametrize("spec", MODELS, ids=NAMES)
def test_padding_behind_a_history_changes_nothing(spec: CandidateModelSpec) -> None:
    network = network_of(spec)
    candidates_1K = torch.arange(20)[None]
    with torch.no_grad():
        alone_1K = network(torch.tensor([[1, 2, 3]]), candidates_1K)
        torch.testing.assert_close(network(torch.tensor([[1, 2, 3, -1, -1]]), candidates_1K), alone_1K)
        in_batch_2K = network(torch.tensor([[1, 2, 3, -1], [4, 5, 6, 7]]), candidates_1K.expand(2, -1))
        torch.testing.assert_close(in_batch_2K[0], alone_1K[0])


@pytest.mark.parametrize("spec", MODELS, ids=NAMES)
def test_order_counts_but_for_din(spec: CandidateModelSpec) -> None:
    network = network_of(spec)
    candidates_1K = torch.arange(20)[None]
    with torch.no_grad():
        one_1K, other_1K = (network(torch.tensor([items]), candidates_1K) for items in ([1, 2, 3], [2, 1, 3]))
    assert torch.allclose(one_1K, other_1K, atol=1e-5) == (spec.kind == "din")


def test_they_pool_as_the_rankers_do_candidate_by_candidate() -> None:
    """The methods for many candidates beside those for one, on the same weights."""
    din, bst, dien = (network_of(spec) for spec in MODELS)
    assert isinstance(din, ListDIN) and isinstance(bst, ListBST) and isinstance(dien, ListDIEN)
    draw = torch.Generator().manual_seed(5)
    history_BTD, candidate_BKD = torch.randn(2, 4, 16, generator=draw), torch.randn(2, 3, 16, generator=draw)
    back_BT = torch.tensor([[4, 3, 2, 1], [2, 1, 0, 0]])
    mask_BT = (back_BT > 0).float()
    with torch.no_grad():
        for number in range(3):
            candidate_BD = candidate_BKD[:, number]
            pooled_BD = din.attention(candidate_BD, history_BTD, mask_BT)
            torch.testing.assert_close(din.interest(candidate_BKD, history_BTD, back_BT)[:, number], pooled_BD)
            encoded_BD = bst.sequence(candidate_BD, history_BTD, back_BT)
            torch.testing.assert_close(bst.interest(candidate_BKD, history_BTD, back_BT)[:, number], encoded_BD)
            evolved_BD = dien.evolution(candidate_BD, dien.extractor(history_BTD), mask_BT)
            torch.testing.assert_close(dien.interest(candidate_BKD, history_BTD, back_BT)[:, number], evolved_BD)


@pytest.mark.parametrize("spec", MODELS, ids=NAMES)
def test_first_weights_depend_on_the_seed_alone(spec: CandidateModelSpec) -> None:
    weights = []
    for seed in (5, 5, 6):
        torch.rand(seed)  # what others draw does not matter
        state = build_candidate_model(spec, cycle_world(), seed=seed).network.state_dict()
        weights.append(torch.cat([tensor.flatten() for tensor in state.values()]))
    assert torch.isfinite(weights[0]).all()
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="model: expected num_heads that divides the width 16, received 3"):
        build_candidate_model(BST.model_copy(update={"num_heads": 3}), cycle_world())
    with pytest.raises(ValidationError, match=r"loss.skip_known: expected false with a model that scores candidates"):
        ListDinSpec(kind="din", loss=ItemLossSpec(skip_known=True))
    with pytest.raises(ValidationError, match=r"batch_size: expected 2 or more with loss.in_batch, received 1"):
        ListDinSpec(kind="din", batch_size=1, loss=ItemLossSpec(in_batch=True))
