"""Imports are fast enough, alone and beside a live server; the honest numbers come from benchmarks/import_events.py."""

from __future__ import annotations

from pathlib import Path

from aisle.workspace import Workspace
from benchmarks.import_events import beside_a_server, import_file, write_events

#: 100,000 on a free machine of two cores with a file of a million; here most of the time goes into starting up.
ALONE_PER_SECOND = 30_000
BESIDE_PER_SECOND = 25_000
LONGEST_WAIT_MS = 1500


def test_an_import_alone(tmp_path: Path) -> None:
    path = write_events(200_000, tmp_path / "events.parquet")
    result = import_file(Workspace.create(tmp_path / "shop").directory, path)
    assert result["accepted"] == 200_000
    assert result["rows_per_second"] >= ALONE_PER_SECOND
    assert result["peak_memory_mib"] < 1024


def test_an_import_beside_a_server_lets_posts_through(tmp_path: Path) -> None:
    path = write_events(200_000, tmp_path / "events.parquet")
    result = beside_a_server(tmp_path / "shop", path)
    assert result["accepted"] == 200_000
    assert result["posts"] >= 10
    assert result["max_ms"] <= LONGEST_WAIT_MS
    assert result["rows_per_second"] >= BESIDE_PER_SECOND
