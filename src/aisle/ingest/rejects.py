"""The rows that an import did not take, each with its line and reason, as JSON lines in the workspace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from aisle.ingest.chunks import Rejected
from aisle.ingest.occurrences import sync_folder


class Rejects:
    """One import's file of rejected rows; there is none while nothing was rejected.

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
