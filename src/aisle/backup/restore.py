"""Brings a workspace back from its backup: verified first, and then there at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aisle.backup.archive import extract
from aisle.errors import DataError
from aisle.progress import Progress, silent
from aisle.workspace import SETTINGS_NAME, STORE_NAME


@dataclass(frozen=True)
class Restored:
    """What was brought back.

    Attributes:
        directory: The workspace.
        num_files: How many files it has.
        versions: The bundles, the newest first.
        has_runs: Whether the runs of the bundles were in the backup.
        clock: The shop's own time when it was saved, RFC 3339.
    """

    directory: Path
    num_files: int
    versions: tuple[str, ...]
    has_runs: bool
    clock: str


def restore_workspace(path: Path, directory: Path, *, progress: Progress = silent) -> Restored:
    """Make a workspace from a backup; the directory appears whole and verified, or not at all.

    Args:
        path: The backup.
        directory: Where: a new directory, or an empty one.
        progress: Told bytes of the backup.

    Raises:
        DataError: the directory is not empty, or the backup is damaged, cut short, tampered with, or no backup.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(f"expected a new or an empty directory, {directory} holds something; choose another one")
    try:
        with path.open("rb") as stream, _appearing(directory) as unfinished:
            total, done = path.stat().st_size, 0

            def advance(num_bytes: int) -> None:
                nonlocal done
                done += num_bytes
                progress("restore", done, total)

            manifest = extract(stream, unfinished, advance)
            for name in (SETTINGS_NAME, STORE_NAME):
                if name not in manifest["files"]:
                    raise DataError(f"expected {name} in the backup of a workspace, found none; take another backup")
    except OSError as error:
        raise DataError(f"cannot restore {path} to {directory}: {error.strerror or error}") from error
    return Restored(
        directory,
        len(manifest["files"]),
        tuple(map(str, manifest.get("versions", []))),
        bool(manifest.get("runs")),
        str(manifest.get("clock", "")),
    )


@contextmanager
def _appearing(directory: Path) -> Iterator[Path]:
    """A directory beside the target that becomes it when the block ends well, and is removed otherwise."""
    target = directory.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial"))
    try:
        yield unfinished
        unfinished.rename(target)  # replaces an empty directory, and fails where it is not empty any more
    except BaseException:
        with suppress(OSError):
            shutil.rmtree(unfinished)
        raise
