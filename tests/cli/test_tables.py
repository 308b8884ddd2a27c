"""The commands over tables: train, evaluate, compare, ensemble; none of them needs or touches a workspace."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aisle.cli.entry import run
from aisle.recipe import dump
from tests.cli.conftest import Shell
from tests.tables import DLRM, make_recipe, write_table


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    table = write_table(tmp_path / "table.parquet")
    path = tmp_path / "small.yaml"
    path.write_text(dump(make_recipe(table, model=DLRM)))
    return path


def test_train_a_table_from_the_shell(shell: Shell, recipe: Path, tmp_path: Path) -> None:
    later = write_table(tmp_path / "later.parquet", 300, seed=1)
    settings = ["--set", "model.kind=logistic", "--set", "seed=5", "--set", f"data.extra_tests={{later: {later}}}"]
    report = shell.json("train", str(recipe), *settings, "-o", "run")
    assert (report["model"], report["seed"]) == ("logistic", 5)
    written = json.loads((shell.directory / "run" / "metrics.json").read_text())
    assert written == {name: value for name, value in report.items() if name != "run"}
    assert report["run"] == str(shell.directory / "run")
    assert report["data"] == {"train_rows": 1200, "valid_rows": 150, "test_rows": 150, "later_rows": 300}
    assert [entry.name for entry in shell.directory.iterdir()] == ["run"], "no workspace was made"
    evaluated = shell.json("evaluate", "run")
    assert evaluated["metrics"] == pytest.approx(report["metrics"], abs=1e-6)
    code, out, _ = shell("evaluate", "run")
    assert code == 0 and "test/auc" in out and "300 later rows" in out
    assert shell.json("train", "--resume", "-o", "run")["metrics"] == report["metrics"]
    code, _, err = shell("train", str(recipe), "-o", "run")
    assert code == 1 and "expected a new or empty directory" in err


def test_seeds_from_the_shell(shell: Shell, recipe: Path) -> None:
    code, out, err = shell("train", str(recipe), "--set", "model.kind=logistic", "--seeds", "0, 3", "-o", "run")
    assert code == 0, err
    assert "mean prediction" in out and "interval of the gain" in out
    report = json.loads((shell.directory / "run" / "metrics.json").read_text())
    assert report["seeds"] == [0, 3]
    assert {entry.name for entry in (shell.directory / "run").glob("seed-*")} == {"seed-0", "seed-3"}
    assert shell.json("train", "--resume", "-o", "run")["seeds"] == [0, 3]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["small", "--seeds", "0,x"], 2, "expected numbers from 0 on with commas between, received '0,x'"),
        (["small", "--seeds", "1"], 1, "two or more different seeds"),
        (["small", "--jobs", "2"], 2, "--jobs: only the recipe of a shop takes it"),
        (["small", "--procs", "2"], 1, "--procs: expected "),
        (["shop", "--procs", "2"], 2, "--procs: only the recipe of a table takes it"),
        (["small", "--activate", "never"], 2, "--activate: only the recipe of a shop takes it"),
        (["small", "--set", "model.kind=dlmr"], 1, "model"),
        (["small", "--set", "data.train=gone.parquet"], 1, "gone.parquet"),
        (["shop", "--seeds", "0,1"], 2, "--seeds: only the recipe of a table, of lists or of actions takes it"),
        (["shop", "--folds", "3"], 2, "--folds: only the recipe of a table takes it"),
    ],
)
def test_wrong_use_is_one_clear_error(
    shell: Shell, recipe: Path, arguments: list[str], code: int, message: str
) -> None:
    arguments = [str(recipe) if one == "small" else one for one in arguments]
    found, out, err = shell("train", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert list(shell.directory.iterdir()) == []


def test_compare(shell: Shell, table_runs: Path, tmp_path: Path) -> None:
    dlrm = shutil.copytree(table_runs / "dlrm", tmp_path / "copy" / "dlrm")
    report = shell.json("compare", str(table_runs / "seeds"), str(dlrm), "--on", "later")
    assert (report["reference"], report["set"], report["rows"]) == ("seeds", "later", 400)
    assert report["methods"]["seeds"]["num_seeds"] == 2 and report["methods"]["seeds"]["seeds"] == [0, 1]
    assert report["methods"]["dlrm"] | {"model": "dlrm", "seed": 3} == report["methods"]["dlrm"]
    difference = report["differences"]["dlrm"]["later/auc"]
    metrics = [report["methods"][name]["metrics"]["later/auc"] for name in ("dlrm", "seeds")]
    assert difference["value"] == pytest.approx(metrics[0] - metrics[1])
    assert difference["low"] < difference["value"] < difference["high"]
    assert difference["seed_standard_error"] is None
    code, out, _ = shell("compare", str(table_runs / "seeds"), str(dlrm))
    assert code == 0
    assert "Against seeds, with 95 % intervals" in out and "Runs of one seed" in out
    code, out, _ = shell("compare", str(dlrm), str(table_runs / "dlrm"))
    assert code == 0 and "no difference shown" in out, "two runs of one name"


def test_what_cannot_be_compared(shell: Shell, table_runs: Path) -> None:
    dlrm = str(table_runs / "dlrm")
    code, _, err = shell("compare", dlrm)
    assert code == 2 and "expected two or more different runs" in err
    assert shell("compare", dlrm, dlrm)[0] == 2
    code, _, err = shell("compare", dlrm, str(table_runs / "seeds"), "--on", "nowhere")
    assert code == 1 and "received those of later, test, valid" in err
    code, _, err = shell("compare", dlrm, str(table_runs))
    assert code == 1 and "expected a finished run" in err


def test_ensemble(shell: Shell, table_runs: Path) -> None:
    runs = [str(table_runs / "seeds"), str(table_runs / "dlrm")]
    report = shell.json("ensemble", *runs, "-o", "mean")
    assert len(report["members"]) == 3 and report["run"] == str(shell.directory / "mean")
    assert shell.json("evaluate", "mean")["metrics"] == pytest.approx(report["metrics"], abs=1e-6)
    code, out, _ = shell("ensemble", *runs, "-o", "again")
    assert code == 0 and "The mean of the logits of 3 runs, with a bundle of all" in out
    code, out, _ = shell("compare", str(table_runs / "dlrm"), "mean")
    assert code == 0 and "mean" in out


def test_options_of_shops_are_refused_for_tables(shell: Shell, table_runs: Path) -> None:
    code, _, err = shell("evaluate", str(table_runs / "dlrm"), "--baselines")
    assert code == 2 and "only the run of a shop takes them" in err


def test_a_table_is_trained_inside_a_workspace_without_touching_it(
    shell: Shell, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(shell.directory / "shop")]) == 0
    capsys.readouterr()
    before = sorted(path.relative_to(shell.directory) for path in shell.directory.rglob("*"))
    inside = Shell(shell.directory / "shop", capsys)
    inside.json("train", str(recipe), "--set", "model.kind=logistic", "-o", str(shell.directory / "run"))
    after = [path for path in shell.directory.rglob("*") if "run" not in path.relative_to(shell.directory).parts]
    assert sorted(path.relative_to(shell.directory) for path in after) == before


def test_an_interrupted_training_says_how_it_goes_on(
    shell: Shell, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aisle.train.tables.run.named_metrics", pressed)
        code, out, err = shell("train", str(recipe), "--set", "model.kind=logistic", "-o", "run")
    assert (code, out) == (130, "")
    assert err.endswith("What is finished is kept: aisle train --resume -o run goes on.\nInterrupted.\n")
    assert shell.json("train", "--resume", "-o", "run")["model"] == "logistic"
