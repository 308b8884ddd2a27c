"""init, import and validate as a user types them: exit codes, JSON on standard output, errors with a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aisle.cli.entry import run
from aisle.errors import ConfigError
from aisle.workspace import Workspace

EVENTS = "type,user_id,item_id,timestamp\nview,u1,a,2011-12-09T12:50:00\nview,u1,,2011-12-09T12:50:00Z\n"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run(["init", str(tmp_path / "shop")]) == 0
    assert "aisle -C" in capsys.readouterr().out
    (tmp_path / "events.csv").write_text(EVENTS)
    return tmp_path / "shop"


def test_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "shop"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert Path(made["settings"]).is_file() and Path(made["store"]).is_file()
    assert Workspace.open(made["directory"]).config.budgets.retrieve_ms == 50
    (tmp_path / "file").write_text("")
    assert run(["init", str(tmp_path / "file" / "shop")]) == 1
    assert capsys.readouterr().err.startswith("Error: cannot make a workspace")


def test_import_in_json(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["-C", str(shop), "import", "events", str(shop.parent / "events.csv"), "--json"]
    assert run(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert {name: report[name] for name in ("kind", "rows", "accepted", "duplicates", "rejected", "naive_times")} == {
        "kind": "events",
        "rows": 2,
        "accepted": 1,
        "duplicates": 0,
        "rejected": 1,
        "naive_times": 1,
    }
    assert report["reasons"] == {"expected exactly one of item_id and items": 1}
    assert Path(report["files"][0]["rejects_file"]).is_file()
    assert run(command) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 1, 1)


def test_import_for_people(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(shop.parent / "events.csv")
    assert run(["-C", str(shop), "import", "events", path, path]) == 0
    captured = capsys.readouterr()
    assert "1 rejected: expected exactly one of item_id and items" in captured.out
    assert "1 times had no zone and were taken as UTC" in captured.out
    assert "was imported before" in captured.out
    assert "events.csv: " in captured.err, "progress goes to standard error"


def test_import_that_fails(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(shop.parent / "events.csv")
    assert run(["-C", str(shop), "import", "events", path, "--max-errors", "0"]) == 1
    assert "expected at most 0 rejected rows" in capsys.readouterr().err
    assert run(["-C", str(shop), "import", "events", path, "--map", "usr_id=x"]) == 1
    assert "did you mean 'user_id'" in capsys.readouterr().err
    for wrong in (["import", "orders", path], ["import", "events"], ["import", "events", "missing.csv"]):
        assert run(["-C", str(shop), *wrong]) == 2
    assert run(["-C", str(shop.parent), "import", "events", path]) == 1
    assert "make one with: aisle init" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        run(["--debug", "-C", str(shop.parent), "import", "events", path])


def test_validate(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["-C", str(shop), "import", "events", str(shop.parent / "events.csv")])
    capsys.readouterr()
    assert run(["-C", str(shop), "validate", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["num_events"], report["num_users"]) == (False, 1, 1)
    assert "too_few_events" in [one["code"] for one in report["findings"]]
    assert run(["-C", str(shop), "validate"]) == 0
    assert "ERROR   too_few_events: 1 events, expected at least 1000" in capsys.readouterr().out
    assert run(["-C", str(shop), "validate", "--strict"]) == 1
    assert "not fit to train on: too_few_events, too_few_users, too_few_items" in capsys.readouterr().err
