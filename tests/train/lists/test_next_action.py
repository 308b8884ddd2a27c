"""Training of rankers of actions: what a batch holds, that it learns what can be known, and the whole run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from aisle.bundle import Bundle
from aisle.data.action_lists import ActionLists
from aisle.data.item_lists import ItemLists
from aisle.errors import ConfigError, DataError
from aisle.models.sequential.hstu_ranker import HSTURanker
from aisle.pipeline.action_ranker import ActionRanker
from aisle.recipe import ActionRecipe, load, parse_strict
from aisle.train.lists.action_directory import MODEL_FOLDER, ActionDirectory, is_action_run
from aisle.train.lists.action_run import evaluate_action_run, train_action_recipe
from aisle.train.lists.next_action import NextActionTrainee, TorchActionRanker

NUM_ITEMS = 12


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


def write_likes(path: Path, num_users: int = 240) -> Path:
    """Half of the people like even items, half odd ones."""
    generator = np.random.default_rng(0)
    items = generator.integers(0, NUM_ITEMS, (num_users, 12))
    likes = (items + np.arange(num_users)[:, None]) % 2 == 0
    at = np.tile(np.arange(12), num_users)
    user = np.repeat(np.arange(num_users), 12)
    frame = pl.DataFrame({"user_id": user, "item": items.ravel(), "did": np.where(likes, "like", "pass").ravel()})
    frame.with_columns(at=at).sample(fraction=1, shuffle=True, seed=0).write_parquet(path)
    return path


def recipe_of(path: Path, *, epochs: int, **sections: Any) -> ActionRecipe:
    document = {
        "kind": "action",
        "name": "likes",
        "data": {
            "train": str(path),
            "columns": {"item": "item", "action": "did", "order": "at"},
            "positive": ["like"],
        },
        "model": {"kind": "hstu-ranker", "dim": 16, "max_length": 12, "dropout": 0.0},
        "train": {"epochs": epochs, "learning_rate": 0.01, "evaluate_every": 10},
        **sections,
    }
    return parse_strict(ActionRecipe, document, "recipe")


def without_times(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "timing"}


def test_a_run_learns_what_no_mean_tells(tmp_path: Path) -> None:
    run = train_action_recipe(recipe_of(write_likes(tmp_path / "likes.parquet"), epochs=30), tmp_path / "run")
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

    recipe = recipe_of(write_likes(tmp_path / "likes.parquet", num_users=48), epochs=2)
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
