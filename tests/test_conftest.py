"""The rule that a skip fails in CI, checked on a small test session of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SESSION = """
import pytest
def test_runs(): pass
def test_skips(): pytest.skip("no data here")
@pytest.mark.xfail(strict=True)
def test_known(): assert False
"""


@pytest.mark.parametrize(("ci", "code", "summary"), [("true", 1, "1 failed"), ("", 0, "1 skipped")])
def test_a_skip_fails_only_in_ci(tmp_path: Path, ci: str, code: int, summary: str) -> None:
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tmp_path / "test_small.py").write_text(SESSION)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", str(tmp_path)],
        env={**os.environ, "CI": ci, "PYTEST_ADDOPTS": "", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert summary in done.stdout
    assert "1 xfailed" in done.stdout
    assert "no data here" in done.stdout
