"""Positions of lists as examples, each asked once behind what came before it; runs of such models to their bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, no_questions
from aisle.nn.item_losses import loss_of_scores, sampled_loss
from aisle.pipeline.candidate_scorer import CandidateScorer
from aisle.recipe.list_models.candidates import ListBstSpec
from aisle.recipe.list_models.sequential import ItemLossSpec
from aisle.recipe.lists import ListTrainingSpec
from aisle.train.lists.candidates import CandidateTrainee, build_candidate_model
from aisle.train.lists.directory import MODEL_FOLDER
from aisle.train.lists.positions import PositionBatch
from aisle.train.lists.registry import fit_lists, load_recommender
from aisle.train.lists.run import evaluate_list_run, train_list_recipe
from tests.lists import NUM_ITEMS, make_list_recipe, write_lists

#: List r begins with item r, behind which stand r % 9 + 1 items from 100 on.
LISTS = ItemLists.of([[row, *range(100, 101 + row % 9)] for row in range(50)])


def trainee_of(**spec: Any) -> CandidateTrainee:
    split = ListSplit(120, LISTS, no_questions(), no_questions())
    told = {"dim": 4, "hidden": [4], "batch_size": 16, "max_length": 5, "loss": ItemLossSpec(), **spec}
    return build_candidate_model(ListBstSpec(kind="bst", **told), split)


def asked(trainee: CandidateTrainee, epoch: int = 0) -> list[tuple[int, int]]:
    """The list and the place of each position of an epoch, whose histories and targets are as they must be."""
    found = []
    for batch in trainee.epoch(epoch):
        assert batch.items_NT.shape[1] <= 5 and len(batch.targets_N) <= 16
        for history, target, row in zip(batch.items_NT.tolist(), batch.targets_N, batch.lists_N, strict=True):
            whole, place = LISTS[int(row)].tolist(), int(target) - 99
            assert whole[place] == target
            expected = whole[:place][-5:]
            assert history == expected + [-1] * (len(history) - len(expected))
            found.append((int(row), place))
    return found


def test_every_position_once_an_epoch() -> None:
    trainee = trainee_of()
    expected = [(row, place) for row in range(50) for place in range(1, row % 9 + 2)]
    first, second = asked(trainee, 0), asked(trainee, 1)
    assert sorted(first) == sorted(second) == expected
    assert first != second and first == asked(trainee, 0)
    assert len(list(trainee.epoch(0))) == trainee.num_batches == -(-len(expected) // 16)


def test_some_positions_of_each_list_drawn_anew() -> None:
    trainee = trainee_of(positions=3)
    first, second = asked(trainee, 0), asked(trainee, 1)
    for found in (first, second):
        assert len(set(found)) == len(found)
        counts = np.bincount([row for row, _ in found], minlength=50)
        assert counts.tolist() == [min(3, row % 9 + 1) for row in range(50)]
    assert set(first) != set(second)
    everything = {position for epoch in range(40) for position in asked(trainee, epoch)}
    assert everything == set(asked(trainee_of())), "each is asked at some time"


@pytest.mark.parametrize(
    "told",
    [
        {"negatives": 12, "popularity_power": 0.5, "log_q": True},
        {"negatives": 12, "hard": 3},
        {"in_batch": True, "log_q": True},
        {"negatives": 12, "kind": "gbce"},
        {"temperature": 0.5},
    ],
)
def test_the_loss_is_that_of_each_position_beside_its_negatives(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores that are products would have the loss of a model of sequences."""
    torch.manual_seed(0)
    spec = ItemLossSpec(**told)
    trainee = trainee_of(loss=spec)
    items_VD, queries_ND = torch.randn(120, 4), torch.randn(16, 4)

    def products(batch: PositionBatch, candidates_NK: Tensor) -> tuple[Tensor, None]:
        return torch.einsum("nd,nkd->nk", queries_ND, items_VD[candidates_NK]), None

    monkeypatch.setattr(trainee, "_scores", products)
    batch = next(trainee.epoch(0))
    negatives = trainee._negatives(batch)
    expected = sampled_loss(
        spec.kind,
        queries_ND,
        items_VD,
        batch.targets_N,
        negatives.items_S,
        temperature=spec.temperature,
        log_expected_S=negatives.log_expected_S,
        is_negative_NS=negatives.is_negative_NS,
        hard=spec.hard,
    )
    assert float(trainee.loss(batch)) == pytest.approx(float(expected), rel=1e-5)
    if told == {"temperature": 0.5}:
        logits_NV = queries_ND @ items_VD.T / 0.5
        assert float(expected) == pytest.approx(
            float(torch.nn.functional.cross_entropy(logits_NV, batch.targets_N)), rel=1e-5
        )


def test_scores_of_targets_that_were_drawn_do_not_count_against_them() -> None:
    targets_N, negatives_S = torch.tensor([1, 2]), torch.tensor([2, 3])
    negative_NS = torch.tensor([[0.5, 0.1], [9.0, 0.2]])
    loss = loss_of_scores("softmax", torch.tensor([1.0, 2.0]), negative_NS, targets_N, negatives_S, num_items=5)
    first = np.log(np.exp([1.0, 0.5, 0.1]).sum()) - 1.0
    second = np.log(np.exp([2.0, 0.2]).sum()) - 2.0
    assert float(loss) == pytest.approx((first + second) / 2, rel=1e-5)


@pytest.mark.parametrize("kind", ["din", "bst"])
def test_from_a_recipe_to_a_bundle(kind: str, tmp_path: Path) -> None:
    model = {"kind": kind, "dim": 16, "max_length": 3, "hidden": [16], "batch_size": 16, "loss": {"negatives": 0}}
    training = ListTrainingSpec(epochs=40, learning_rate=0.01, evaluate_every=10)
    recipe = make_list_recipe(write_lists(tmp_path / "lists.parquet"), model).model_copy(update={"train": training})
    run = train_list_recipe(recipe, tmp_path / "run", fit_lists)
    assert run.read_metrics()["metrics"]["test/hr@1/full"] > 0.85
    loaded = load_recommender(recipe, run.open_bundle(), MODEL_FOLDER)
    assert isinstance(loaded, CandidateScorer) and loaded.known_V.tolist() == [True] * NUM_ITEMS
    evaluated = evaluate_list_run(run, lambda bundle, folder: load_recommender(recipe, bundle, folder))
    assert evaluated["metrics"]["test/hr@1/full"] == run.read_metrics()["metrics"]["test/hr@1/full"]
