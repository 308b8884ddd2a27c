"""The commands over a recipe of actions: train, evaluate, compare; none of them needs or touches a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.recipe import dump
from tests.actions import make_action_recipe, write_likes
from tests.cli.conftest import Shell


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "likes.yaml"
    path.write_text(dump(make_action_recipe(write_likes(tmp_path / "likes.parquet", num_users=48), epochs=2)))
    return path


def test_train_and_evaluate_from_the_shell(shell: Shell, recipe: Path) -> None:
    report = shell.json("train", str(recipe), "--set", "seed=5", "-o", "run")
    assert (report["model"], report["seed"], report["run"]) == ("hstu-ranker", 5, str(shell.directory / "run"))
    assert set(report["timing"]) == {"train_seconds", "samples_per_second", "epochs"}
    assert [entry.name for entry in shell.directory.iterdir()] == ["run"], "no workspace was made"
    evaluated = shell.json("evaluate", "run")
    assert evaluated["metrics"] == pytest.approx(report["metrics"]) and evaluated["counts"]["test_rows"] == 48
    code, out, _ = shell("evaluate", "run")
    assert code == 0 and "48 people, 12 items" in out and f"{report['metrics']['test/auc']:.4f}" in out
    code, out, _ = shell("train", "--resume", "-o", "run")
    assert code == 0 and "The model against each, paired over people" in out and "item-mean" in out
    code, _, err = shell("train", str(recipe), "-o", "run")
    assert code == 1 and "expected a new or empty directory" in err
    code, _, err = shell("evaluate", "run", "--baselines")
    assert code == 2 and "only the run of a shop takes them, this one is of actions" in err


def test_seeds_and_comparison(shell: Shell, recipe: Path) -> None:
    code, out, err = shell("train", str(recipe), "--seeds", "0,3", "-o", "two")
    assert code == 0 and "The mean over seeds 0, 3; deviation: test/auc" in out, err
    assert shell.json("train", "--resume", "-o", "two")["seeds"] == [0, 3]
    code, _, err = shell("evaluate", "two")
    assert code == 1 and "evaluate one of its runs: seed-0, seed-3" in err
    longer = shell.json(
        "train", str(recipe), "--set", "train.epochs=12", "--set", "train.evaluate_every=1", "-o", "one"
    )
    report = shell.json("compare", "two", "one")
    assert (report["protocol"], report["rows"], report["reference"]) == ("paired-rows", 48, "two")
    assert report["methods"]["two"]["num_seeds"] == 2 and report["methods"]["two"]["seeds"] == [0, 3]
    assert report["methods"]["one"]["metrics"]["test/auc"] == pytest.approx(longer["metrics"]["test/auc"])
    gap = report["differences"]["one"]["test/logloss"]
    losses = [report["methods"][name]["metrics"]["test/logloss"] for name in ("one", "two")]
    assert gap["value"] == pytest.approx(losses[0] - losses[1], abs=1e-6)
    code, out, _ = shell("compare", "two", "one")
    assert code == 0 and "48 test rows" in out and "Against two, with 95 % intervals" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seeds", "1"], 1, "two or more different seeds"),
        (["--folds", "3"], 2, "--folds: only the recipe of a table takes it"),
        (["--jobs", "2"], 2, "--jobs: only the recipe of a shop takes it"),
        (["--set", "data.positive=[praise]"], 1, "praise"),
    ],
)
def test_wrong_use_is_one_clear_error(
    shell: Shell, recipe: Path, arguments: list[str], code: int, message: str
) -> None:
    found, out, err = shell("train", str(recipe), "-o", "run", *arguments)
    assert (found, out) == (code, "")
    assert message in err and "Traceback" not in err
