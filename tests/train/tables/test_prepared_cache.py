"""Prepared tables beyond the bound: what was not used for longest goes, and never what may be in use."""

from __future__ import annotations

import os
import time
from pathlib import Path

from aisle.train.tables.prepared_cache import prune


def _table(directory: Path, name: str, unused_hours: float) -> Path:
    place = directory / name / "train"
    place.mkdir(parents=True)
    (place / "dense.npy").write_bytes(bytes(1000))
    used = time.time() - unused_hours * 3600
    os.utime(directory / name, (used, used))
    return directory / name


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    oldest, old = _table(tmp_path, "oldest", 100), _table(tmp_path, "old", 50)
    recent, now = _table(tmp_path, "recent", 1), _table(tmp_path, "now", 200)
    (tmp_path / ".now.lock").touch()
    assert prune(tmp_path, used=now, max_bytes=3000) == [oldest]
    assert sorted(tmp_path.iterdir()) == [tmp_path / ".now.lock", now, old, recent]
    assert prune(tmp_path, used=now, max_bytes=3000) == []
    assert prune(tmp_path, used=now, max_bytes=0) == [old], "the recent one may be in use, the last one is"
    assert prune(tmp_path, used=recent, max_bytes=0) == []


def test_using_a_table_is_noted(tmp_path: Path) -> None:
    place = _table(tmp_path, "one", 200)
    prune(tmp_path, used=place)
    assert time.time() - place.stat().st_mtime < 60
