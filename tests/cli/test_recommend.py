"""aisle recommend: the server's pipeline in the shell."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from aisle.cli.entry import run
from aisle.schema import Event
from aisle.workspace import Workspace
from tests.cli.conftest import Shell


def test_json_holds_the_answer_and_nothing_else(trained_shell: Shell) -> None:
    report = trained_shell.json("recommend", "--user", "user-00003", "-n", "5", "--explain")
    assert report["placement"] == "for-you"
    assert report["model_version"] == trained_shell.run_directory().name
    assert report["degraded"] == []
    assert len(report["items"]) == 5
    for item in report["items"]:
        assert item["reason"]
        assert item["source"] in item["sources"]
        assert sum(share["share"] for share in item["sources"].values()) == pytest.approx(item["score"], rel=1e-4)


def test_for_people_titles_and_reasons(trained_shell: Shell) -> None:
    code, out, err = trained_shell("recommend", "--placement", "similar-items", "--item", "item-0007", "-n", "3")
    assert (code, err) == (0, "")
    header, *rows = out.splitlines()
    assert header.split() == ["item", "title", "score", "source", "reason"]
    assert len(rows) == 3
    assert all(row.startswith("item-") for row in rows)
    code, out, _ = trained_shell("recommend", "--user", "user-00003", "-n", "2", "--explain")
    assert out.count(" share 0.") >= 2


def test_a_damaged_bundle_is_said(trained_shell: Shell) -> None:
    (trained_shell.run_directory() / "bundle" / "pipeline.json").write_text("{}")
    code, out, err = trained_shell("recommend", "--placement", "popular", "-n", "3")
    assert code == 0
    assert len(out.splitlines()) == 4
    degraded = [line for line in err.splitlines() if line.startswith("Degraded: ")]
    assert len(degraded) == 1
    assert "cannot be used, none goes on answering" in degraded[0]
    assert "cannot be used" in trained_shell.json("recommend", "--placement", "popular")["degraded"][0]


def test_before_any_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = Workspace.create(tmp_path / "shop")
    shell = Shell(workspace.directory, capsys)
    assert shell.json("recommend")["items"] == []
    with closing(workspace.open_store()) as store:
        store.add_events([Event(type="purchase", user_id="u", item_id="tea")], ["e1"])
    code, out, err = shell("recommend", "--user", "u")
    assert code == 0
    assert out.splitlines()[1].startswith("tea")
    assert err == "Degraded: rank: no model yet, popular items instead\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--placement", "nowhere"], 1, "placement: expected one of for-you"),
        (["--placement", "bought-together"], 1, "bought-together expects the items of the page or cart"),
        (["-n", "0"], 2, "0 is not in the range"),
    ],
)
def test_wrong_questions(trained_shell: Shell, arguments: list[str], code: int, message: str) -> None:
    exit_code, out, err = trained_shell("recommend", *arguments)
    assert (exit_code, out) == (code, "")
    assert message in err


def test_without_a_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(tmp_path), "recommend"]) == 1
    assert "make one with: aisle init" in capsys.readouterr().err
