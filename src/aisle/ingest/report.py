"""What an import did, file by file and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aisle.ingest.mapping import Kind


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
