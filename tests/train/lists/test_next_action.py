"""Training of rankers of actions: what a batch holds, that it learns what can be known, and the whole run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aisle.bundle import Bundle
from aisle.data.action_lists import ActionLists
from aisle.data.item_lists import ItemLists
from aisle.errors import ConfigError, DataError
from aisle.models.sequential.hstu_ranker import HSTURanker
from aisle.pipeline.action_ranker import ActionRanker
from aisle.recipe import load
from aisle.train.lists.action_directory import MODEL_FOLDER, ActionDirectory, is_action_run
from aisle.train.lists.action_run import evaluate_action_run, train_action_recipe
from aisle.train.lists.next_action import NextActionTrainee, TorchActionRanker
from tests.actions import NUM_ITEMS, make_action_recipe, write_likes


def lists_of(sizes: list[int]) -> ActionLists:
    """Item rows count through all lists; the action is whether a row is even."""
    rows = np.arange(sum(sizes))
    return ActionLists(ItemLists.of_sizes(np.array(sizes), rows), ItemLists.of_sizes(np.array(sizes), rows % 2))


def ranker_of(num_items: int, *, max_items: int) -> HSTURanker:
    generator = torch.Generator().manual_seed(0)
    model = HSTURanker(num_items, 2, 8, max_items=max_items, dropout=0.0, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model


def trainee_of(sizes: list[int], **settings: Any) -> NextActionTrainee:
    model = ranker_of(sum(sizes), max_items=5)
    return NextActionTrainee(model, lists_of(sizes), **{"max_length": 5, "batch_size": 2, "seed": 0, **settings})


def test_every_item_once_an_epoch_beside_its_action() -> None:
    trainee = trainee_of([12, 3, 5, 1])  # pieces of 2, 5 and 5, of 3, of 5 and of 1
    for number in (0, 1):
        batches = list(trainee.epoch(number))
        assert len(batches) == trainee.num_batches == 3
        items = torch.cat([batch.items_BT.flatten() for batch in batches])
        actions = torch.cat([batch.actions_BT.flatten() for batch in batches])
        assert sorted(items[items >= 0].tolist()) == list(range(21))
        assert torch.equal(actions, torch.where(items >= 0, items % 2, -1))


def test_what_stands_behind_a_list_teaches_nothing() -> None:
    trainee = trainee_of([3, 2], batch_size=1)
    alone = [float(trainee.loss(batch).detach()) for batch in trainee.epoch(0)]
    sizes = [batch.items_BT.shape[1] for batch in trainee.epoch(0)]
    (together,) = trainee_of([3, 2]).epoch(0)
    assert float(trainee.loss(together).detach()) == pytest.approx(np.average(alone, weights=sizes), rel=1e-5)


def test_exported_as_trained() -> None:
    """Histories that are empty, short, and longer than what is read; one candidate and many."""
    ranker = TorchActionRanker(ranker_of(60, max_items=6), 6)
    served, histories = ranker.exported(), lists_of([0, 1, 3, 20])
    for num_candidates in (1, 7):
        candidates = np.arange(4 * num_candidates).reshape(4, num_candidates)
        expected = ranker.logits(histories, candidates)
        assert expected.shape == (4, num_candidates, 2) and expected.std() > 0.01
        np.testing.assert_allclose(served.logits(histories, candidates), expected, rtol=1e-4, atol=1e-5)
        for row in range(4):
            one = served.logits(histories.take(slice(row, row + 1)), candidates[row : row + 1])
            np.testing.assert_allclose(one[0], expected[row], rtol=1e-4, atol=1e-5)
    read = ranker.logits(histories.last(5), candidates)
    np.testing.assert_allclose(read, expected, rtol=1e-6)


def without_times(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "timing"}


def test_a_run_learns_what_no_mean_tells(tmp_path: Path) -> None:
    run = train_action_recipe(make_action_recipe(write_likes(tmp_path / "likes.parquet"), epochs=30), tmp_path / "run")
    metrics = run.read_metrics()
    assert metrics["metrics"]["test/auc"] > 0.97 and metrics["metrics"]["test/accuracy"] > 0.93
    for baseline in metrics["baselines"].values():
        assert baseline["metrics"]["test/auc"] < 0.65
        assert baseline["differences"]["test/auc"]["verdict"] == "better"
    expected = {"train_rows": 2400, "train_lists": 240, "items": 12, "actions": 2, "valid_rows": 240, "test_rows": 240}
    assert metrics["data"] == expected
    assert is_action_run(run.path) and load(run.path / "recipe.yaml") == run.recipe()
    report = evaluate_action_run(run)
    assert report["metrics"] == pytest.approx(metrics["metrics"])
    assert json.loads((run.path / "evaluate.json").read_text()) == report
    served = ActionRanker.load(Bundle.open(run.bundle), MODEL_FOLDER)
    likes_even = ActionLists(ItemLists.of([[0, 1, 2, 3, 4]]), ItemLists.of([[0, 1, 0, 1, 0]]))
    told = served.logits(likes_even, np.arange(NUM_ITEMS)[None])[0].argmax(axis=1)
    assert told.tolist() == [0, 1] * 6, "the action 0 is like, 1 is pass"


def test_a_killed_training_goes_on_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aisle.train.engine.checkpoints import Checkpoints

    recipe = make_action_recipe(write_likes(tmp_path / "likes.parquet", num_users=48), epochs=2)
    whole = train_action_recipe(recipe, tmp_path / "whole")
    monkeypatch.setattr(Checkpoints, "is_due", lambda self, done: True)

    def progress(what: str, done: int, total: int | None) -> None:
        if what == "train the model" and done == 3:
            raise KeyboardInterrupt

    killed = ActionDirectory(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        train_action_recipe(recipe, killed.path, progress=progress)
    assert is_action_run(killed.path) and not killed.is_written
    with pytest.raises(DataError, match="expected a finished run"):
        evaluate_action_run(killed)
    with pytest.raises(ConfigError, match="expected a new or empty directory"):
        train_action_recipe(recipe, killed.path)
    train_action_recipe(recipe, killed.path, resume=True)
    assert without_times(killed.read_metrics()) == without_times(whole.read_metrics())


def test_seeds_are_trained_apart_and_said_together(tmp_path: Path) -> None:
    recipe = make_action_recipe(write_likes(tmp_path / "likes.parquet", num_users=48), epochs=2)
    alone = train_action_recipe(recipe.model_copy(update={"seed": 3}), tmp_path / "alone")
    group = train_action_recipe(recipe, tmp_path / "group", seeds=[0, 3])
    metrics, parts = group.read_metrics(), [part.read_metrics() for part in group.trainings()]
    assert metrics["seeds"] == [0, 3] == [part["seed"] for part in parts]
    assert without_times(parts[1]) == {**without_times(alone.read_metrics()), "model_bytes": parts[1]["model_bytes"]}
    values = [part["metrics"]["test/logloss"] for part in parts]
    assert values[0] != values[1]
    assert metrics["per_run"]["test/logloss"] == values
    assert metrics["metrics"]["test/logloss"] == pytest.approx(np.mean(values))
    assert metrics["deviations"]["test/logloss"] == pytest.approx(np.std(values, ddof=1))
    for name, baseline in metrics["baselines"].items():
        assert baseline["metrics"] == parts[0]["baselines"][name]["metrics"]
        gap = baseline["differences"]["test/logloss"]
        assert gap["value"] == pytest.approx(np.mean(values) - baseline["metrics"]["test/logloss"], abs=1e-6)
        assert gap["low"] < gap["value"] < gap["high"]
    with pytest.raises(DataError, match="evaluate one of its runs: seed-0, seed-3"):
        evaluate_action_run(group)
    with pytest.raises(ConfigError, match="two or more different seeds"):
        train_action_recipe(recipe, tmp_path / "one", seeds=[1])
