"""Copies the embedded store's file while others read and write it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from aisle.errors import DataError
from aisle.progress import Progress, silent
from aisle.store.tables import imports

#: So many pages (4 KiB each) are copied between two reports of progress.
_PAGES_PER_STEP = 256


def copy_store(source: Path, target: Path, progress: Progress = silent) -> None:
    """Copy a store as it is now; everything that was acknowledged before is in the copy, nothing after it.

    Readers and writers go on meanwhile: the copy reads one snapshot of the write-ahead log. It does not know of imports
    that had not ended: begun again, they find what they brought already by its ids.

    Args:
        source: The store's file.
        target: A new file; it is whole when this returns.
        progress: Told the pages copied.

    Raises:
        DataError: the source cannot be read, or the target cannot be written.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)) as reader,
            closing(sqlite3.connect(target)) as writer,
        ):
            # Within one read transaction no writer can make the copy begin again, however often it commits.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reader.backup(
                writer,
                pages=_PAGES_PER_STEP,
                progress=lambda status, remaining, total: progress("store", total - remaining, total),
            )
            reader.execute("ROLLBACK")
            # An import that is running goes on from files beside the store; from the copy it is to begin again.
            writer.execute(f"DELETE FROM {imports.name} WHERE NOT {imports.c.finished.name}")
            writer.commit()
            # One file without a log beside it, whatever the source's mode; opening the store sets the mode again.
            writer.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise DataError(f"cannot copy the store {source} to {target}: {error}") from error
