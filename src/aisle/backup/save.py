"""Saves a workspace to one file while its server goes on: settings, store, registered bundles and their runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aisle
from aisle.backup.archive import ArchiveWriter
from aisle.bundle import Bundle
from aisle.errors import BundleError, DataError
from aisle.progress import Progress, silent
from aisle.schema import format_timestamp
from aisle.store import BundleRecord, SqlStore
from aisle.store.copy import copy_store
from aisle.workspace import SETTINGS_NAME, STORE_NAME, Workspace


@dataclass(frozen=True)
class Saved:
    """What a backup holds.

    Attributes:
        path: The file.
        num_bytes: Its size.
        num_files: How many files are in it.
        num_events: Events in the store.
        versions: The bundles, the newest first.
        has_runs: Whether the runs of the bundles are in it.
    """

    path: Path
    num_bytes: int
    num_files: int
    num_events: int
    versions: tuple[str, ...]
    has_runs: bool


def save_workspace(workspace: Workspace, path: Path, *, runs: bool = True, progress: Progress = silent) -> Saved:
    """Write a backup; the file appears whole or not at all, readable by its owner alone.

    Everything that was acknowledged before the call is in it. Servers and imports may go on writing.

    Args:
        workspace: What to save.
        path: A new file.
        runs: Also save the run directories that the registered bundles came from, not the bundles alone.
        progress: Told pages of the store, then bytes of files.

    Raises:
        DataError: the file exists, or something cannot be read.
        BundleError: a registered bundle is missing, damaged, or outside the workspace.
    """
    if path.exists():
        raise DataError(f"{path} exists; choose another name for the backup, or remove it first")
    with _appearing(path) as unfinished, tempfile.TemporaryDirectory(dir=path.absolute().parent) as temporary:
        copied = Path(temporary) / STORE_NAME
        copy_store(workspace.store_path, copied, progress)
        with closing(SqlStore(copied)) as store:
            records, num_events, clock_ms = store.bundles(), store.num_events(), store.now_ms()
        files = {SETTINGS_NAME: workspace.settings_path, STORE_NAME: copied}
        for record in records:
            files.update(_files_of(workspace, record, runs))
        facts = {
            "aisle": aisle.__version__,
            "clock": format_timestamp(clock_ms),
            "runs": runs,
            "versions": [record.version for record in records],
        }
        num_files = _write(unfinished, files, facts, progress)
    versions = tuple(record.version for record in records)
    return Saved(path, path.stat().st_size, num_files, num_events, versions, runs)


def _files_of(workspace: Workspace, record: BundleRecord, runs: bool) -> Iterator[tuple[str, Path]]:
    """The files of a bundle, or of the run around it, by their path in the workspace."""
    root = workspace.directory.resolve()
    bundle = (root / record.path).resolve()
    if not bundle.is_relative_to(root):
        raise BundleError(
            f"the bundle {record.version} lies outside the workspace, at {bundle}; a backup holds the workspace alone: "
            f"train it again here, or drop it by aisle models delete {record.version}"
        )
    Bundle.open(bundle, manifest_sha256=record.manifest_sha256)  # a damaged one is said now, not when it is needed
    is_in_run = bundle.parent.parent == workspace.runs.resolve()
    source = bundle.parent if runs and is_in_run else bundle
    for path in sorted(source.rglob("*")):
        if not path.is_dir() or path.is_symlink():
            yield path.relative_to(root).as_posix(), path


def _write(stream_path: Path, files: dict[str, Path], facts: dict[str, object], progress: Progress) -> int:
    total = sum(path.stat().st_size for path in files.values())
    done = 0

    def advance(num_bytes: int) -> None:
        nonlocal done
        done += num_bytes
        progress("files", done, total)

    with stream_path.open("wb") as stream:
        with ArchiveWriter(stream, facts, advance) as archive:
            for name, path in files.items():
                archive.add(name, path)
        stream.flush()
        os.fsync(stream.fileno())
    return archive.num_files


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A file beside the target that becomes it when the block ends well, and is removed otherwise."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.", suffix=".partial")
    except OSError as error:
        raise DataError(f"cannot write a backup to {path}: {error.strerror or error}") from error
    os.close(descriptor)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink()
        raise
