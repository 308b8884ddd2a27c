"""A shell in an empty directory, and one over a copy of the trained shop."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from aisle.cli.entry import run


class Shell:
    """``aisle -C DIR`` in this process."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self._capsys = directory, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of one command."""
        self._capsys.readouterr()
        code = run(["-C", str(self.directory), *arguments])
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def json(self, *arguments: str) -> dict[str, Any]:
        """The one JSON object that a successful command writes to standard output."""
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        report = json.loads(out)
        assert isinstance(report, dict)
        return report

    def run_directory(self) -> Path:
        """The only run of the workspace."""
        (run_directory,) = (self.directory / "runs").iterdir()
        return run_directory


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell in an empty directory that is no workspace."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Shell(tmp_path / "here", capsys)


@pytest.fixture
def trained_shell(trained_shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    directory = shutil.copytree(trained_shop, tmp_path / "trained")
    (directory / "aisle.yaml").write_text("budgets: {retrieve_ms: 60000}")
    return Shell(directory, capsys)
