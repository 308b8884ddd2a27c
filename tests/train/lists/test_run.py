"""A recipe of lists from file to run directory: metrics, seeds, exact resumption, measured again by the bundle."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.errors import ConfigError, DataError
from aisle.recipe import ListRecipe, dump, load
from aisle.train.lists.directory import ListDirectory, is_list_run
from aisle.train.lists.registry import fit_lists, load_recommender
from aisle.train.lists.run import evaluate_list_run, train_list_recipe
from tests.lists import NUM_ITEMS, SASREC, make_list_recipe, write_lists
from tests.tables import make_recipe

RULES = {"kind": "rules"}


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lists(tmp_path_factory.mktemp("lists") / "lists.parquet")


def train(recipe: ListRecipe, output: Path, **options: Any) -> ListDirectory:
    return train_list_recipe(recipe, output, fit_lists, **options)


def without_times(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "timing"}


def evaluate(run: ListDirectory) -> dict[str, Any]:
    return evaluate_list_run(run, partial(load_recommender, run.recipe()))


def test_a_run_directory(lists: Path, tmp_path: Path) -> None:
    run = train(make_list_recipe(lists, RULES, seed=4), tmp_path / "run")
    assert sorted(entry.name for entry in run.path.iterdir()) == [
        "bundle",
        "metrics.json",
        "questions.parquet",
        "recipe.yaml",
        "train.log",
    ]
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert (metrics["model"], metrics["seed"], metrics["parameters"]) == ("rules", 4, 0)
    assert metrics["model_bytes"] > 0
    names = [f"{part}/{name}/full" for part in ("valid", "test") for name in ("hr@1", "ndcg@3")]
    assert list(metrics["metrics"]) == names
    assert metrics["metrics"]["test/hr@1/full"] == 1.0, "what follows in the cycle is known"
    assert metrics["intervals"]["test/hr@1/full"] == [1.0, 1.0]
    assert set(metrics["timing"]) == {"train_seconds", "samples_per_second", "epochs"}
    # 40 users with 4 to 7 items, 5.5 on average; the last two of each are asked for.
    rows = {"train_rows": 140, "train_lists": 40, "items": NUM_ITEMS, "valid_rows": 40, "test_rows": 40}
    assert metrics["data"] == rows
    assert is_list_run(run.path) and load(run.path / "recipe.yaml") == run.recipe()


@pytest.mark.parametrize("refit", [True, False])
def test_what_a_blend_has_learned_does_not_validate_it(lists: Path, tmp_path: Path, refit: bool) -> None:
    blend = {"kind": "blend", "parts": [{"model": RULES}, {"model": {"kind": "markov"}}], "refit": refit}
    metrics = train(make_list_recipe(lists, blend), tmp_path / "run").read_metrics()["metrics"]
    assert metrics["test/hr@1/full"] == 1.0
    assert ("valid/hr@1/full" in metrics) == (not refit)


def test_side_information_from_files_to_the_bundle_and_back(lists: Path, tmp_path: Path) -> None:
    items = pl.DataFrame({"item": [f"i{row:03d}" for row in range(NUM_ITEMS)]})
    items = items.with_columns(kind=pl.int_range(pl.len()) % 3, price=pl.int_range(pl.len()) * 2.5)
    items.write_csv(tmp_path / "items.csv")
    events = pl.read_parquet(lists).with_columns(
        did=pl.when(pl.col("at") > 1).then(pl.lit("buy")).otherwise(pl.lit("view"))
    )
    events.write_parquet(tmp_path / "events.parquet")
    recipe = make_list_recipe(tmp_path / "events.parquet", SASREC)
    data, model = recipe.data.model_dump(), {**SASREC, "side": {"items": "both", "actions": True, "gaps": True}}
    data["columns"] |= {"action": "did", "time": "at"}
    data["items"] = {
        "file": str(tmp_path / "items.csv"),
        "id": "item",
        "categories": ["kind"],
        "numbers": ["price"],
        "intervals": 6,
    }
    told = recipe.model_validate({**recipe.model_dump(), "data": data, "model": model})
    run, without = train(told, tmp_path / "told"), train(recipe, tmp_path / "without")
    metrics = run.read_metrics()
    assert metrics["parameters"] - without.read_metrics()["parameters"] == 8 * (3 + 6 + 2 + 34), "labels, actions, gaps"
    assert evaluate(run)["metrics"] == {
        name: pytest.approx(value) for name, value in metrics["metrics"].items() if name.startswith("test/")
    }
    assert run.answers().asked == without.answers().asked, "the test is the same"
    events.with_columns(did=pl.col("did").replace("view", "zoom")).write_parquet(tmp_path / "events.parquet")
    with pytest.raises(DataError, match="expected the actions of the run's training, received others"):
        evaluate(run)


def test_components_of_items_from_files_to_the_bundle_and_back(lists: Path, tmp_path: Path) -> None:
    items = pl.DataFrame({"item": [f"i{row:03d}" for row in range(NUM_ITEMS)]})
    items = items.with_columns(kinds=pl.Series(["a|b", "b|c", "c"] * (NUM_ITEMS // 3)))
    items.write_csv(tmp_path / "items.csv")
    acf = {"kind": "acf", "dimension": 4, "attention": 2, "max_history": 5, "batch_size": 32}
    plain = make_list_recipe(lists, acf)
    with pytest.raises(ConfigError, match=r"model.components: expected data.items"):
        train(make_list_recipe(lists, {**acf, "components": True}), tmp_path / "refused")
    data = plain.data.model_dump() | {
        "items": {"file": str(tmp_path / "items.csv"), "id": "item", "categories": ["kinds"], "separator": "|"}
    }
    told = plain.model_validate({**plain.model_dump(), "data": data, "model": {**acf, "components": True}})
    run, without = train(told, tmp_path / "told"), train(plain, tmp_path / "without")
    metrics = run.read_metrics()
    # Three labels into two attentions of two values; the users' part and the last layer of the second one.
    of_components = 2 * (3 + 3) + 2 * (4 + 1) + 2 + (2 + 1)
    assert metrics["parameters"] - without.read_metrics()["parameters"] == of_components
    assert evaluate(run)["metrics"] == {
        name: pytest.approx(value) for name, value in metrics["metrics"].items() if name.startswith("test/")
    }


def test_a_killed_training_goes_on_to_the_same_numbers(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aisle.train.engine.checkpoints import Checkpoints

    recipe = make_list_recipe(lists, SASREC)
    whole = train(recipe, tmp_path / "whole")
    monkeypatch.setattr(Checkpoints, "is_due", lambda self, done: True)

    def progress(what: str, done: int, total: int | None) -> None:
        if what == "train the model" and done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "killed", progress=progress)
    killed = ListDirectory(tmp_path / "killed")
    assert not killed.is_written and is_list_run(killed.path)
    with pytest.raises(DataError, match="expected a finished run"):
        evaluate(killed)
    with pytest.raises(ConfigError, match="expected a new or empty directory"):
        train(recipe, killed.path)
    other = make_list_recipe(lists, SASREC, seed=1)
    with pytest.raises(ConfigError, match="it is of another"):
        train(other, killed.path, resume=True)
    steps: list[int] = []
    train(recipe, killed.path, resume=True, progress=lambda what, done, total: steps.append(done))
    assert 1 not in steps[1:], "what was done was not done again"
    assert without_times(killed.read_metrics()) == without_times(whole.read_metrics())
    assert not killed.checkpoints.exists()
    before = (killed.path / "metrics.json").read_bytes()
    train(recipe, killed.path, resume=True)
    assert (killed.path / "metrics.json").read_bytes() == before, "a finished run is left as it is"


def test_the_bundle_alone_is_worth_the_same(lists: Path, tmp_path: Path) -> None:
    run = train(make_list_recipe(lists, SASREC), tmp_path / "run")
    report = evaluate(run)
    metrics = run.read_metrics()
    tested = {name: value for name, value in metrics["metrics"].items() if name.startswith("test/")}
    assert report["metrics"] == pytest.approx(tested)
    assert (report["protocol"], report["model"], report["counts"]) == ("full", "sasrec", metrics["data"])
    assert json.loads((run.path / "evaluate.json").read_text()) == report
    assert metrics["parameters"] > NUM_ITEMS * 8 and metrics["timing"]["epochs"] == 3


def test_seeds_are_trained_apart_and_said_together(lists: Path, tmp_path: Path) -> None:
    recipe = make_list_recipe(lists, {"kind": "gmf", "dimension": 2})
    run = train(recipe, tmp_path / "run", seeds=[0, 3])
    metrics = run.read_metrics()
    parts = [json.loads((run.path / f"seed-{seed}" / "metrics.json").read_text()) for seed in (0, 3)]
    assert metrics["seeds"] == [0, 3] == [part["seed"] for part in parts]
    values = [part["metrics"]["test/ndcg@3/full"] for part in parts]
    assert metrics["metrics"]["test/ndcg@3/full"] == pytest.approx(np.mean(values))
    assert metrics["deviations"]["test/ndcg@3/full"] == pytest.approx(np.std(values, ddof=1))
    assert metrics["per_run"]["test/ndcg@3/full"] == values
    assert np.mean(run.questions()["test/ndcg@3/full"]) == pytest.approx(np.mean(values))
    answers = run.answers()
    assert answers.num_seeds == 2 and answers.num_questions == 40
    assert np.mean(answers.values["test/ndcg@3/full"]) == pytest.approx(np.mean(values))
    with pytest.raises(DataError, match="evaluate one of its runs: seed-0, seed-3"):
        evaluate(run)


@pytest.mark.parametrize("seeds", [[1], [1, 1]])
def test_seeds_that_are_no_two(lists: Path, tmp_path: Path, seeds: list[int]) -> None:
    with pytest.raises(ConfigError, match="two or more different seeds"):
        train(make_list_recipe(lists, RULES), tmp_path / "run", seeds=seeds)


def test_what_was_taken_before_is_measured_apart(tmp_path: Path) -> None:
    """Every fourth user comes back to the first item: rules, which know the cycle, find the others alone."""
    path = write_lists(tmp_path / "lists.parquet", last_is_first=4)
    metrics = train(make_list_recipe(path, RULES), tmp_path / "run").read_metrics()["metrics"]
    assert metrics["test/hr@1/full"] == 0.75
    assert (metrics["test/hr@1/full/new"], metrics["test/hr@1/full/repeat"]) == (1.0, 0.0)
    masked = make_list_recipe(path, RULES, split={"mask_last": None})
    metrics = train(masked, tmp_path / "masked").read_metrics()["metrics"]
    assert "test/hr@1/full/new" not in metrics, "what was taken before is no answer"


def test_other_items_than_those_of_training_are_refused(tmp_path: Path) -> None:
    path = write_lists(tmp_path / "lists.parquet")
    run = train(make_list_recipe(path, RULES), tmp_path / "run")
    write_lists(path, num_items=NUM_ITEMS + 1)
    with pytest.raises(DataError, match="expected the items of the run's training, received others"):
        evaluate(run)


def test_a_file_that_nothing_can_be_asked_of(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [1, 1, 2], "item": ["a", "b", "a"], "at": [0, 1, 0]}).write_parquet(
        tmp_path / "few.parquet"
    )
    with pytest.raises(DataError, match="expected lists that leave-one-out can ask for, received none"):
        train(make_list_recipe(tmp_path / "few.parquet", RULES), tmp_path / "run")


def test_the_run_of_another_recipe_is_none(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(dump(make_recipe(tmp_path / "table.parquet")))
    assert not is_list_run(tmp_path)
    with pytest.raises(DataError, match="expected a run of a sequence recipe, it is of a table recipe"):
        ListDirectory(tmp_path).recipe()


def test_a_split_by_time_says_whom_it_leaves_out(tmp_path: Path) -> None:
    """Four users do one thing in each part; the fifth comes when the test has begun."""
    rows = [(user, 3 * (user % 2) + step, 10 * step + user) for user in range(4) for step in range(3)]
    late = [(4, 0, 20), (4, 1, 25)]
    pl.DataFrame([*rows, *late], schema=["user_id", "item", "at"], orient="row").write_parquet(tmp_path / "a.parquet")
    document = make_list_recipe(tmp_path / "a.parquet", RULES).model_dump(mode="json")
    document["data"]["columns"]["time"] = "at"
    document["data"]["split"] = {"kind": "time", "valid_from": 10, "test_from": 20, "targets": "next"}
    run = train(ListRecipe.model_validate(document), tmp_path / "run")
    metrics = json.loads((run.path / "metrics.json").read_text())
    sizes = {"train_rows": 4, "train_lists": 4, "items": 6, "valid_rows": 4, "test_rows": 4, "test_left_out": 1}
    assert metrics["data"] == sizes
    assert "test/hr@1/full" in metrics["metrics"]
    assert evaluate(run)["counts"] == sizes
