"""The disk is full during an import and a training: one clear error, nothing half written, and the same command again.

A limit on the size of files stands in for the full disk: it needs no rights and fails the same writes.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import orjson

from aisle.bundle import Bundle
from aisle.workspace import Workspace

KIB = 1024


def run(directory: Path, *arguments: str, max_file_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own, which may write no file that is longer."""
    command = [sys.executable, "-m", "aisle", "-C", str(directory), *arguments]
    limits = (max_file_bytes, max_file_bytes)
    limit = None if max_file_bytes is None else partial(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
    return subprocess.run(command, check=False, preexec_fn=limit, capture_output=True, text=True, timeout=120)


def errors_of(failed: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines on standard error that are no progress."""
    return [line for line in failed.stderr.splitlines() if line.startswith("Error") or "Traceback" in line]


def test_an_import_ends_in_one_error_and_goes_on_afterwards(trained_shop: Path, tmp_path: Path) -> None:
    directory = Workspace.create(tmp_path / "shop").directory
    command = ("import", "events", str(trained_shop / "data" / "events.parquet"), "--json")
    failed = run(directory, *command, max_file_bytes=600 * KIB)
    (error,) = errors_of(failed)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "cannot be written" in error and "disk is full" in error
    with closing(Workspace.open(directory).open_store()) as store:
        before = store.num_events()
    assert before > 0, "what was committed stays"
    report = orjson.loads(run(directory, *command).stdout)
    (file,) = report["files"]
    assert file["resumed_at"] == before
    assert (report["accepted"], report["duplicates"], report["rejected"]) == (report["rows"], 0, 0)
    with closing(Workspace.open(directory).open_store()) as store:
        assert store.num_events() == report["rows"]
    assert list((directory / "imports").iterdir()) == []


def test_a_training_ends_in_one_error_and_shows_nothing_half_done(trained_copy: Path) -> None:
    command = ("train", "shop-quick", "--set", "ranker=null", "--json")
    with closing(Workspace.open(trained_copy).open_store()) as store:
        (before,) = store.bundles()
    runs = set((trained_copy / "runs").iterdir())
    # The store's own shared memory takes 32 KiB; the lists of neighbours are longer than this.
    failed = run(trained_copy, *command, max_file_bytes=40 * KIB)
    (error,) = errors_of(failed)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert error.startswith("Error: the disk is full") and "run the same command again" in error
    with closing(Workspace.open(trained_copy).open_store()) as store:
        assert store.bundles() == [before] and before.is_active
    (left,) = set((trained_copy / "runs").iterdir()) - runs
    assert sorted(path.name for path in left.iterdir()) == ["checkpoints", "train.log"]
    assert not list(left.rglob(".*")), "parts appear whole or not at all"

    resumed = orjson.loads(run(trained_copy, *command, "--resume").stdout)
    assert Path(resumed["run"]) == left and resumed["activated"]
    Bundle.open(left / "bundle")
    shutil.rmtree(left)
    again = orjson.loads(run(trained_copy, *command).stdout)
    assert again["metrics"] == resumed["metrics"]
