"""What an import did, file by file and in all, and the rows that it did not take."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from aisle.ingest.chunks import Rejected
from aisle.ingest.mapping import Kind
from aisle.ingest.occurrences import sync_folder


@dataclass
class FileReport:
    """One file.

    Attributes:
        rows: rows of the file taken care of so far, by this run or those before it.
        accepted: records that are new.
        duplicates: records that were there already.
        rejected: rows that are no records, by reason in ``reasons``.
        naive_times: accepted or repeated records with a time without a zone, which was taken as UTC.
        rows_read: rows that this run read.
        resumed_at: rows that runs before this one had done.
        already_imported: an earlier run finished this very file; this one read nothing of it.
    """

    source: str
    kind: Kind
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    naive_times: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rejects_file: str | None = None
    rows_read: int = 0
    resumed_at: int = 0
    already_imported: bool = False
    finished: bool = False
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        values = dict(vars(self))
        values["reasons"] = dict(self.reasons.most_common())
        values["seconds"] = round(self.seconds, 3)
        return values


@dataclass
class ImportReport:
    """Several files of one kind."""

    kind: Kind
    files: Sequence[FileReport]

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it: totals, and each file."""
        totals = {
            name: sum(getattr(file, name) for file in self.files)
            for name in ("rows", "accepted", "duplicates", "rejected", "naive_times", "rows_read")
        }
        reasons: Counter[str] = sum((file.reasons for file in self.files), Counter())
        return {
            "kind": self.kind,
            **totals,
            "reasons": dict(reasons.most_common()),
            "files": [file.as_dict() for file in self.files],
        }


class Rejects:
    """One import's file of rejected rows: JSON lines with line, reason and row. Without any there is no file.

    Args:
        path: the file.
        num_bytes: how much of it belongs to what was committed; what a killed chunk wrote after it is cut off.
    """

    def __init__(self, path: Path, num_bytes: int) -> None:
        self.path = path
        self.num_bytes = num_bytes
        if num_bytes == 0:
            path.unlink(missing_ok=True)
        elif path.exists():
            os.truncate(path, min(num_bytes, path.stat().st_size))

    def add(self, rows: list[Rejected]) -> None:
        """Append rows; they are on the disk when this returns."""
        if not rows:
            return
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            for row in rows:
                line = {"line": row.line, "reason": row.reason, "detail": row.detail, "row": row.row}
                stream.write(_json(line) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
            self.num_bytes = stream.tell()
        if is_new:
            sync_folder(self.path.parent)


def _json(line: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a number of more than 64 bits, half a character
        return orjson.dumps(line | {"row": repr(line["row"])[:10_000].encode("utf-8", "replace").decode()})
