"""What every reader gives: a file in chunks, each with its line numbers and the place where the next one starts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from aisle.errors import DataError

#: A chunk ends at so many rows or at this part of the file, whichever comes first: it is what a kill can cost.
CHUNK_ROWS = 50_000
CHUNK_PART = 0.04
#: In small files the part is not worth a commit of its own.
CHUNK_MIN_ROWS = 100
#: A line or a quoted record longer than this is a mistake, not a record.
MAX_RECORD_BYTES = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where reading goes on: rows read so far, and for text the byte and the line (from 1) of the next record."""

    rows_done: int = 0
    byte_offset: int = 0
    line: int = 1


@dataclass(frozen=True)
class Rejected:
    """A row that was not taken: its line (or row) from 1, why in few words, why in full, and what it said."""

    line: int
    reason: str
    detail: str
    row: Any


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file.

    ``rows`` has the file's columns (a frame) or the rows as they are (a list of maps); ``lines`` has the line number
    of each (in Parquet the row number). ``unreadable`` are rows that could not even be taken apart.
    """

    rows: pl.DataFrame | list[dict[str, Any]]
    lines: list[int]
    unreadable: list[Rejected]
    end: Place


class Reader(Protocol):
    """A file of records."""

    #: The columns, where all rows have the same.
    columns: list[str] | None
    #: How much there is, in the unit of :meth:`done`.
    total: int

    def chunks(self, start: Place, columns: list[str] | None) -> Iterator[Chunk]:
        """The file from a place on; of the columns only those named, where the format can leave out some."""
        ...

    def done(self) -> int:
        """How much has been read."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def file_digest(path: Path) -> str:
    """A hash of a file's content.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
