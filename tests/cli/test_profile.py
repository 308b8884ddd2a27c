"""aisle profile: three files and a report; no workspace."""

from __future__ import annotations

import json
from pathlib import Path

from aisle.recipe import dump
from tests.cli.conftest import Shell
from tests.tables import DLRM, make_recipe, write_table


def test_profile_a_recipe(shell: Shell, tmp_path: Path) -> None:
    recipe = tmp_path / "small.yaml"
    recipe.write_text(dump(make_recipe(write_table(tmp_path / "table.parquet"), model=DLRM)))
    arguments = (str(recipe), "--set", "training.batch_size=64", "--steps", "3", "--threads", "1", "-o", "out")
    report = shell.json("profile", *arguments)
    assert report["training"]["batch_size"] == 64 and report["step"]["timed_steps"] == 3
    assert {path.name for path in (shell.directory / "out").iterdir()} == {"profile.json", "profile.svg", "trace.json"}
    assert json.loads((shell.directory / "out" / "profile.json").read_text()) == report
    assert [entry.name for entry in shell.directory.iterdir()] == ["out"], "no workspace was made"
    code, out, err = shell("profile", *arguments)
    assert code == 0, err
    again = json.loads((shell.directory / "out" / "profile.json").read_text())
    assert all(part["name"] in out for part in again["parts"]) and "The parts add up to" in out
    operators = [operator["name"] for operator in again["operators"]]
    assert "aisle::gather_rows" in operators and all(name in out for name in operators[:3]), "the costliest are listed"


def test_a_shop_has_no_such_profile(shell: Shell) -> None:
    code, _, err = shell("profile", "shop")
    assert code == 2 and "expected the recipe of a table, shop is of another kind" in err
    assert not list(shell.directory.iterdir())
