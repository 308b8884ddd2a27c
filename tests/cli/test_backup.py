"""aisle backup and restore from the shell: what they say, and how they fail."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from aisle.cli.entry import run
from aisle.schema import Event
from aisle.workspace import Workspace


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    workspace = Workspace.create(tmp_path / "shop")
    with closing(workspace.open_store()) as store:
        store.add_events([Event(type="view", user_id="u", item_id="tea", timestamp=1_600_000_000_000)], ["e"])
    return workspace.directory


def test_there_and_back(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, again = tmp_path / "out.tar.zst", tmp_path / "again"
    assert run(["-C", str(directory), "backup", "-o", str(file), "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report == {
        "file": str(file), "bytes": file.stat().st_size, "files": 2, "events": 1, "versions": [], "runs": True,
    }  # fmt: skip
    assert "files: " in captured.err, "progress goes to standard error"
    assert run(["restore", str(file), str(again), "--json"]) == 0
    restored = json.loads(capsys.readouterr().out)
    assert restored.pop("clock").endswith("Z")
    assert restored == {"directory": str(again), "files": 2, "versions": [], "runs": True}
    with closing(Workspace.open(again).open_store()) as store:
        assert [stored.event_id for stored in store.user_events("u", 9)] == ["e"]


def test_for_people(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.tar.zst"
    assert run(["-C", str(directory), "backup", "--no-runs", "-o", str(file)]) == 0
    assert "It holds keys and personal data: keep it safe." in capsys.readouterr().out
    assert run(["restore", str(file), str(tmp_path / "again")]) == 0
    assert f"Next: aisle -C {tmp_path / 'again'} serve" in capsys.readouterr().out


def test_failures_are_one_clear_error(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.tar.zst"
    file.write_bytes(b"something")
    for arguments, message in (
        (["-C", str(tmp_path), "backup", "-o", str(tmp_path / "new")], "aisle init"),
        (["-C", str(directory), "backup", "-o", str(file)], "exists; choose another name"),
        (["restore", str(file), str(tmp_path / "again")], "no backup"),
        (["restore", str(file), str(directory)], "holds something"),
    ):
        assert run(arguments) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = [line for line in captured.err.splitlines() if line.startswith("Error: ")]
        assert message in line
    assert not (tmp_path / "again").exists()
    assert run(["-C", str(directory), "backup"]) == 2
