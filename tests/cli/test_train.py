"""aisle train: a run, its numbers as JSON or as a table, and what it says when it cannot."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aisle.cli.entry import run
from aisle.train.shop import session
from tests.cli.conftest import Shell
from tests.train.conftest import SMALL

CHEAP = ["--set", "generators.content.dimension=8", "--set", "candidates_per_source=40"]


def test_json_is_metrics_json(trained_shell: Shell, tmp_path: Path) -> None:
    output = tmp_path / "run"
    report = trained_shell.json("train", "shop", *CHEAP, "--set", "seed=7", "-o", str(output))
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics == {name: value for name, value in report.items() if name not in ("run", "activated")}
    assert (report["model"], report["seed"], report["run"]) == ("shop", 7, str(output.resolve()))
    ranked = ("ndcg@20", "recall@20", "recall_plain@20", "hr@10")
    probable = ("auc", "gauc", "logloss", "normalized_entropy", "calibration", "calibration_error")
    assert set(report["metrics"]) == {
        *(f"test/{metric}/full/{variant}" for metric in ranked for variant in ("all", "new")),
        *(f"test/{metric}/candidates" for metric in probable),
    }
    assert report["parameters"] > 0
    assert report["model_bytes"] > 0
    assert set(report["timing"]) == {"train_seconds", "samples_per_second", "epochs"}
    assert report["data"]["train_rows"] > report["data"]["test_rows"] > 0
    assert "seed: 7" in (output / "recipe.yaml").read_text()
    assert "dimension: 8" in (output / "recipe.yaml").read_text()
    versions = trained_shell.json("models", "list")["models"]
    assert [one["active"] for one in versions] == [report["activated"], not report["activated"]]


def test_for_people_a_table_and_where_it_lies(trained_shell: Shell) -> None:
    code, out, err = trained_shell("train", "shop", *CHEAP)
    assert code == 0
    assert "test/ndcg@20/full/all" in out
    assert f"Run: {trained_shell.directory.resolve() / 'runs'}" in out
    assert "Bundle: " in out
    assert "fit generators: " in err, "progress goes to standard error"


def test_too_little_data(trained_shell: Shell) -> None:
    code, out, err = trained_shell("train", "--set", "windows.horizon_days=60")
    assert (code, out) == (1, "")
    errors = [line for line in err.splitlines() if line.startswith("Error")]
    assert len(errors) == 1
    assert "expected at least 180 days of events" in errors[0]
    assert re.search(r"--set windows.horizon_days=\d+$", errors[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-recipe"], "no recipe 'no-such-recipe'"),
        (["shop", "--set", "seeed=1"], "unknown key 'seeed', did you mean 'seed'?"),
        (["shop", "--set", "windows.test=none"], "windows.test"),
        (["shop", "--set", "placements.popular.sources=[populr_20d]"], "did you mean 'popular_20d'?"),
    ],
)
def test_a_wrong_recipe_is_one_clear_error(trained_shell: Shell, arguments: list[str], message: str) -> None:
    code, out, err = trained_shell("train", *arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


def test_without_a_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(tmp_path), "train"]) == 1
    assert "make one with: aisle init" in capsys.readouterr().err


def interrupt_once(monkeypatch: pytest.MonkeyPatch, shell: Shell, *arguments: str) -> tuple[int, str, str]:
    """The command, with Ctrl-C when everything is fitted."""

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "evaluate_windows", pressed)
        return shell(*arguments)


@pytest.fixture
def small(tmp_path: Path) -> str:
    (tmp_path / "small.yaml").write_text(SMALL)
    return str(tmp_path / "small.yaml")


def test_an_interrupted_training_says_so_and_goes_on(
    trained_shell: Shell, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = interrupt_once(monkeypatch, trained_shell, "train", small, "--set", "seed=7")
    assert (code, out) == (130, "")
    assert err.endswith("What is finished is kept: aisle train --resume goes on.\nInterrupted.\n")
    before = trained_shell.json("models", "list")["models"]
    report = trained_shell.json("train", "--resume")
    assert (report["model"], report["seed"]) == ("small", 7), "the latest interrupted one, without its name"
    assert len(trained_shell.json("models", "list")["models"]) == len(before) + 1
    assert trained_shell.json("train", "--resume", "-o", report["run"])["version"] == report["version"], "and no more"


def test_an_interrupted_training_is_gone_on_with_as_it_was_begun(
    trained_shell: Shell, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = str(tmp_path / "run")
    assert interrupt_once(monkeypatch, trained_shell, "train", small, "-o", output)[0] == 130
    code, out, err = trained_shell("train", small, "--set", "seed=8", "-o", output, "--resume")
    assert (code, out) == (1, "")
    assert "expected a training of this recipe, it is of another (other seed)" in err
    code, out, err = trained_shell("train", small, "-o", output)
    assert code == 1 and "expected a new or empty directory, it has files" in err
    assert trained_shell.json("train", "--resume", "-o", output)["run"] == str((tmp_path / "run").resolve())


def test_whether_the_new_bundle_serves_can_be_said(trained_shell: Shell, small: str) -> None:
    before = [one["version"] for one in trained_shell.json("models", "list")["models"] if one["active"]]
    code, out, _ = trained_shell("train", small, "--activate", "never")
    assert code == 0 and "(not activated: --activate never (aisle models activate VERSION))" in out
    assert [one["version"] for one in trained_shell.json("models", "list")["models"] if one["active"]] == before
    report = trained_shell.json("train", small, "--activate", "always")
    assert report["activated"] is True
    assert [one["version"] for one in trained_shell.json("models", "list")["models"] if one["active"]] == [
        report["version"]
    ]
