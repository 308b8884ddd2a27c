"""The average of runs over lists: the mean of standardized scores, kept as a bundle of all."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from aisle.bundle import Bundle
from aisle.data.item_lists import ItemLists
from aisle.data.list_splits import split_lists
from aisle.data.questions import Questions
from aisle.errors import ConfigError, DataError
from aisle.metrics import Targets
from aisle.recipe import ListRecipe
from aisle.recipe.list_data import ItemTableSpec
from aisle.recipe.list_models.ensemble import EnsembleSpec
from aisle.train.lists.directory import MODEL_FOLDER, ListDirectory
from aisle.train.lists.ensemble import Ensemble
from aisle.train.lists.registry import fit_lists, load_recommender
from aisle.train.lists.run import evaluate_list_run, train_list_recipe
from tests.cli.conftest import Shell
from tests.lists import make_list_recipe, write_lists


class Fixed:
    """Scores all questions alike."""

    def __init__(self, *scores: float) -> None:
        self._scores_V = np.array(scores, np.float32)

    def score(self, questions: Questions) -> np.ndarray:
        return np.tile(self._scores_V, (len(questions), 1))

    def save(self, writer: object, folder: str) -> None:
        raise NotImplementedError


def test_the_mean_of_standardized_scores(tmp_path: Path) -> None:
    recipe = make_list_recipe(write_lists(tmp_path / "lists.parquet"), {"kind": "rules"})
    asked = Questions(ItemLists.of([[0]]), Targets.from_lists([[1]]), np.array([0]))
    members = [(recipe, Fixed(1, 2, 3)), (recipe, Fixed(100, 100, 400)), (recipe, Fixed(7, 7, 7))]
    # Deviations of the first: sqrt(2/3); of the second: 100 sqrt(2); the third says nothing.
    first, second = np.array([-1, 0, 1]) / np.sqrt(2 / 3), np.array([-1, -1, 2]) / np.sqrt(2)
    np.testing.assert_allclose(Ensemble(members).score(asked)[0], (first + second) / 3, rtol=1e-5)


def test_weights_count(tmp_path: Path) -> None:
    recipe = make_list_recipe(write_lists(tmp_path / "lists.parquet"), {"kind": "rules"})
    asked = Questions(ItemLists.of([[0]]), Targets.from_lists([[1]]), np.array([0]))
    members = [(recipe, Fixed(1, 2, 3)), (recipe, Fixed(100, 100, 400))]
    first, second = np.array([-1, 0, 1]) / np.sqrt(2 / 3), np.array([-1, -1, 2]) / np.sqrt(2)
    np.testing.assert_allclose(Ensemble(members, [3, 1]).score(asked)[0], (3 * first + second) / 4, rtol=1e-5)
    with pytest.raises(ValueError, match="weights: expected one of each of 2 members, received 3"):
        Ensemble(members, [1, 2, 3])
    with pytest.raises(ValidationError, match="weights: expected one of each of 2 runs, received 1"):
        EnsembleSpec(kind="ensemble", runs=["one", "two"], weights=[1])


def train(recipe: ListRecipe, output: Path) -> ListDirectory:
    return train_list_recipe(recipe, output, fit_lists)


def test_a_run_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_lists(tmp_path / "lists.parquet")
    rules = train(make_list_recipe(data, {"kind": "rules"}), tmp_path / "rules")
    popular = train(make_list_recipe(data, {"kind": "popularity"}), tmp_path / "popularity")
    shell = Shell(tmp_path, capsys)
    report = shell.json("ensemble", str(rules.path), str(popular.path), "-o", str(tmp_path / "both"))
    assert report["model"] == "ensemble"
    both = ListDirectory(tmp_path / "both")
    assert evaluate_list_run(both, partial(load_recommender, both.recipe()))["metrics"].items() <= (
        report["metrics"].items()
    )
    split, _ = split_lists(both.recipe().data)
    opened = load_recommender(both.recipe(), Bundle.open(both.bundle), MODEL_FOLDER)
    parts = [
        load_recommender(run.recipe(), Bundle.open(run.bundle), MODEL_FOLDER).score(split.test)
        for run in (rules, popular)
    ]
    expected = sum((part - part.mean(1, keepdims=True)) / part.std(1, keepdims=True) for part in parts) / 2
    np.testing.assert_allclose(opened.score(split.test), expected, rtol=1e-4, atol=1e-5)


def test_a_member_that_reads_what_items_say_belongs_to_others(tmp_path: Path) -> None:
    data = write_lists(tmp_path / "lists.parquet")
    rules = train(make_list_recipe(data, {"kind": "rules"}), tmp_path / "rules")
    items = pl.read_parquet(data).select("item").unique().with_columns(parity=pl.int_range(pl.len()) % 2)
    items.write_parquet(tmp_path / "items.parquet")
    texts = ItemTableSpec(file=str(tmp_path / "items.parquet"), id="item", text=["parity"])
    plain = make_list_recipe(data, {"kind": "content"})
    recipe = plain.model_copy(update={"data": plain.data.model_copy(update={"items": texts})})
    content = train(recipe, tmp_path / "content")
    spec = EnsembleSpec(kind="ensemble", runs=[str(rules.path), str(content.path)])
    both = train(rules.recipe().model_copy(update={"model": spec}), tmp_path / "both")
    assert both.read_metrics()["model"] == "ensemble"


def test_runs_that_do_not_belong_together(tmp_path: Path) -> None:
    one = train(make_list_recipe(write_lists(tmp_path / "one.parquet"), {"kind": "rules"}), tmp_path / "run-1")
    two = train(make_list_recipe(write_lists(tmp_path / "two.parquet"), {"kind": "rules"}), tmp_path / "run-2")
    spec = EnsembleSpec(kind="ensemble", runs=[str(one.path), str(two.path)])
    with pytest.raises(ConfigError, match="run-2: expected a run on the data of the ensemble's recipe"):
        train(one.recipe().model_copy(update={"model": spec}), tmp_path / "both")
    spec = EnsembleSpec(kind="ensemble", runs=[str(one.path), str(tmp_path / "gone")])
    with pytest.raises(DataError, match="gone: expected a finished run"):
        train(one.recipe().model_copy(update={"model": spec}), tmp_path / "other")


def test_a_weighted_run_keeps_its_weights_in_the_bundle(tmp_path: Path) -> None:
    data = write_lists(tmp_path / "lists.parquet")
    rules = train(make_list_recipe(data, {"kind": "rules"}), tmp_path / "rules")
    popular = train(make_list_recipe(data, {"kind": "popularity"}), tmp_path / "popularity")
    spec = EnsembleSpec(kind="ensemble", runs=[str(rules.path), str(popular.path)], weights=[1, 5])
    both = train(rules.recipe().model_copy(update={"model": spec}), tmp_path / "both")
    split, _ = split_lists(both.recipe().data)
    opened = load_recommender(both.recipe(), Bundle.open(both.bundle), MODEL_FOLDER)
    parts = [
        load_recommender(run.recipe(), Bundle.open(run.bundle), MODEL_FOLDER).score(split.test)
        for run in (rules, popular)
    ]
    rules_RV, popular_RV = ((part - part.mean(1, keepdims=True)) / part.std(1, keepdims=True) for part in parts)
    np.testing.assert_allclose(opened.score(split.test), (rules_RV + 5 * popular_RV) / 6, rtol=1e-4, atol=1e-5)


def test_members_may_have_trained_on_what_an_ensemble_does_not_validate(tmp_path: Path) -> None:
    data = write_lists(tmp_path / "lists.parquet")
    rules = train(make_list_recipe(data, {"kind": "rules"}), tmp_path / "rules")
    recipe = make_list_recipe(data, {"kind": "popularity"})
    split = recipe.data.split.model_copy(update={"train_on_validation": True})
    on_all = recipe.model_copy(update={"data": recipe.data.model_copy(update={"split": split})})
    popular = train(on_all, tmp_path / "popularity")
    spec = EnsembleSpec(kind="ensemble", runs=[str(rules.path), str(popular.path)])
    both = train(on_all.model_copy(update={"model": spec}), tmp_path / "both")
    assert not any(name.startswith("valid") for name in both.read_metrics()["metrics"])
    with pytest.raises(ConfigError, match="popularity: expected a run on the data of the ensemble's recipe"):
        train(recipe.model_copy(update={"model": spec}), tmp_path / "validated")
