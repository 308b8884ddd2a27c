"""The commands over lists of items: train, evaluate, compare; none of them needs or touches a workspace."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aisle.recipe import dump
from tests.cli.conftest import Shell
from tests.lists import make_list_recipe, write_lists
from tests.tables import make_recipe

RULES = {"kind": "rules"}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(dump(make_list_recipe(write_lists(tmp_path / "lists.parquet"), RULES)))
    return path


def test_train_and_evaluate_from_the_shell(shell: Shell, recipe: Path) -> None:
    report = shell.json("train", str(recipe), "--set", "seed=5", "-o", "run")
    assert (report["model"], report["seed"], report["run"]) == ("rules", 5, str(shell.directory / "run"))
    written = json.loads((shell.directory / "run" / "metrics.json").read_text())
    assert written == {name: value for name, value in report.items() if name != "run"}
    assert [entry.name for entry in shell.directory.iterdir()] == ["run"], "no workspace was made"
    evaluated = shell.json("evaluate", "run")
    assert evaluated["metrics"] == {"test/hr@1/full": 1.0, "test/ndcg@3/full": 1.0}
    code, out, _ = shell("evaluate", "run")
    assert code == 0 and "40 questions, 12 items" in out and "1.0000 to 1.0000" in out
    assert shell.json("train", "--resume", "-o", "run")["metrics"] == report["metrics"]
    code, _, err = shell("train", str(recipe), "-o", "run")
    assert code == 1 and "expected a new or empty directory" in err
    code, out, _ = shell("train", str(recipe), "-o", "again")
    assert code == 0 and "test/hr@1/full" in out and str(shell.directory / "again") in out


def test_seeds_from_the_shell(shell: Shell, recipe: Path) -> None:
    code, out, err = shell("train", str(recipe), "--set", "model.kind=gmf", "--seeds", "0,3", "-o", "run")
    assert code == 0, err
    assert "mean over seeds" in out
    assert {entry.name for entry in (shell.directory / "run").glob("seed-*")} == {"seed-0", "seed-3"}
    assert shell.json("train", "--resume", "-o", "run")["seeds"] == [0, 3]
    assert shell.json("evaluate", "run/seed-3")["model"] == "gmf"
    code, _, err = shell("evaluate", "run")
    assert code == 1 and "evaluate one of its runs: seed-0, seed-3" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seeds", "1"], 1, "two or more different seeds"),
        (["--folds", "3"], 2, "--folds: only the recipe of a table takes it"),
        (["--jobs", "2"], 2, "--jobs: only the recipe of a shop takes it"),
        (["--set", "model.kind=sasrek"], 1, "sasrec"),
        (["--set", "model.decay=-1"], 1, "model"),
        (["--set", "data.train=gone.parquet"], 1, "gone.parquet"),
        (["--set", "data.columns.item=sku"], 1, "sku"),
        (["--set", "metrics=[auc]"], 1, "metrics"),
    ],
)
def test_wrong_use_is_one_clear_error(
    shell: Shell, recipe: Path, arguments: list[str], code: int, message: str
) -> None:
    found, out, err = shell("train", str(recipe), "-o", "run", *arguments)
    assert (found, out) == (code, "")
    assert message in err and "Traceback" not in err


def test_compare(shell: Shell, recipe: Path) -> None:
    shell.json("train", str(recipe), "-o", "rules")
    shell.json("train", str(recipe), "--set", "model.kind=popularity", "-o", "popular")
    shell.json("train", str(recipe), "--set", "model.kind=gmf", "--seeds", "0,1", "-o", "gmf")
    report = shell.json("compare", "popular", "rules", "gmf")
    assert (report["protocol"], report["questions"], report["reference"]) == ("paired-questions", 40, "popular")
    assert report["methods"]["rules"]["model"] == "rules" and report["methods"]["gmf"]["seeds"] == [0, 1]
    assert report["methods"]["rules"]["deviations"] == {} != report["methods"]["gmf"]["deviations"]
    metrics = {name: one["metrics"]["test/hr@1/full"] for name, one in report["methods"].items()}
    for name in ("rules", "gmf"):
        difference = report["differences"][name]["test/hr@1/full"]
        assert difference["value"] == pytest.approx(metrics[name] - metrics["popular"])
        assert difference["low"] <= difference["value"] <= difference["high"]
    assert report["differences"]["rules"]["test/hr@1/full"]["verdict"] == "better"
    assert shell.json("compare", "rules", "popular")["differences"]["popular"]["test/hr@1/full"]["verdict"] == "worse"
    code, out, _ = shell("compare", "popular", "rules")
    assert code == 0
    assert "40 test questions" in out and "Against popular, with 95 % intervals" in out and "Runs of one seed" in out
    shutil.copytree("rules", "same")
    code, out, _ = shell("compare", "rules", "same")
    assert code == 0 and "no difference shown" in out


def test_what_cannot_be_compared(shell: Shell, recipe: Path, tmp_path: Path) -> None:
    shell.json("train", str(recipe), "-o", "rules")
    other = write_lists(tmp_path / "others.parquet", num_users=41)
    shell.json("train", str(recipe), "--set", f"data.train={other}", "-o", "others")
    code, _, err = shell("compare", "rules", "others")
    assert code == 1 and "expected the 40 test questions of rules, received 41 of other data" in err
    shell.json("train", str(recipe), "--set", "data.split.mask_last=1", "-o", "masked")
    assert shell("compare", "rules", "masked")[0] == 1, "as many questions, but others"
    shell.json("train", str(recipe), "--set", "data.split.train_on_validation=true", "-o", "more")
    assert shell("compare", "rules", "more")[0] == 0, "the test is the same"
    shell.json("train", str(recipe), "--set", "metrics=[mrr@5]", "-o", "by-rank")
    code, _, err = shell("compare", "rules", "by-rank")
    assert code == 1 and "expected runs with a metric in common" in err
    code, _, err = shell("compare", "rules", "more", "--on", "valid")
    assert code == 2 and "--on: only runs of tables take it" in err
    Path("table").mkdir()
    Path("table/recipe.yaml").write_text(dump(make_recipe(tmp_path / "table.parquet")))
    code, _, err = shell("compare", "rules", "table")
    assert code == 1 and "all of tables or all of lists, received rules of lists, table of a table" in err
    code, _, err = shell("evaluate", "rules", "--baselines")
    assert code == 2 and "only the run of a shop takes them, this one is of lists" in err


def test_an_interrupted_training_says_how_it_goes_on(
    shell: Shell, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aisle.train.lists.run.evaluate_split", pressed)
        code, out, err = shell("train", str(recipe), "-o", "run")
    assert (code, out) == (130, "")
    assert err.endswith("What is finished is kept: aisle train --resume -o run goes on.\nInterrupted.\n")
    assert shell.json("train", "--resume", "-o", "run")["model"] == "rules"
