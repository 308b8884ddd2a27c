"""A thousand malformed import files: the store holds what was reported as accepted, the rest has its reasons."""

from __future__ import annotations

import gzip
import io
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.errors import AisleError
from aisle.ingest import import_files
from aisle.ingest.mapping import Kind
from aisle.store import SqlStore
from tests.fuzz.malformed import MAX_SECONDS, PART, as_bytes, damage, damaged, edited, edits, runs

NUM_FILES = 1000
NUM_ROWS = 8

KINDS: tuple[Kind, ...] = ("events", "items", "users")
RECORDS: dict[str, dict[str, Any]] = {
    "events": {"type": "purchase", "user_id": "u", "item_id": "i", "timestamp": "2024-05-01T10:00:00Z", "quantity": 1},
    "items": {"item_id": "i", "title": "Tea", "category": ["Drinks"], "price": 4.5, "available": True},
    "users": {"user_id": "u", "attributes": {"country": "GB"}},
}
FORMATS = ("csv", "jsonl", "parquet", "csv.gz", "jsonl.gz")


def records(kind: str, number: int) -> list[dict[str, Any]]:
    """Rows of one kind, each of them another and unlike those of other files."""
    rows = []
    for row in range(NUM_ROWS):
        record = dict(RECORDS[kind])
        for name in ("user_id", "item_id"):
            if name in record:
                record[name] = f"{record[name]}{number}-{row}"
        rows.append(record)
    return rows


def content_of(rows: Any, suffix: str, harm: tuple[int, int, bytes]) -> bytes:
    """A file of rows, damaged; what a format cannot hold is written as text."""
    rows = (
        [row if isinstance(row, dict) else {"row": row} for row in rows] if isinstance(rows, list) else [{"row": rows}]
    )
    if suffix.startswith("jsonl"):
        content = b"\n".join(map(as_bytes, rows))
    else:
        columns = list(dict.fromkeys(str(name) for row in rows for name in row))
        texts = [
            {name: str(row[name]).encode("utf-8", "replace").decode() if row.get(name) is not None else None
             for name in columns}
            for row in rows
        ]  # fmt: skip
        frame = pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String))
        buffer = io.BytesIO()
        (frame.write_csv if suffix.startswith("csv") else frame.write_parquet)(buffer)
        content = buffer.getvalue()
    content = damaged(content, *harm)
    return gzip.compress(content) if suffix.endswith(".gz") else content


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with closing(SqlStore(tmp_path / "aisle.db")) as store:
        yield store


def test_no_file_is_half_imported(store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: Counter[str] = Counter()
    numbers = itertools.count()
    taken: list[int] = []
    write = store.write_events

    def noted(*arguments: Any) -> Any:
        result = write(*arguments)
        taken.append(result.accepted)
        return result

    monkeypatch.setattr(store, "write_events", noted)

    @runs(NUM_FILES)
    @given(st.sampled_from(KINDS), st.sampled_from(FORMATS), edits, damage, st.booleans())
    def check(kind: Kind, suffix: str, changes: Any, harm: tuple[int, int, bytes], is_torn: bool) -> None:
        number = next(numbers)
        path = tmp_path / f"{number}.{suffix}"
        content = content_of(edited(records(kind, number), changes), suffix, harm)
        path.write_bytes(content[: len(content) * 2 // 3] if is_torn and number % 4 == 0 else content)
        before, started = store.num_events(), time.monotonic()
        taken.clear()
        try:
            report = import_files(store, tmp_path / "imports", kind, [path])
        except AisleError as error:
            assert str(error)
            outcomes["refused"] += 1
        else:
            (file,) = report.files
            assert file.rows == file.accepted + file.duplicates + file.rejected
            assert file.rejected == sum(file.reasons.values())
            assert all(file.reasons)
            if kind == "events":
                assert sum(taken) == file.accepted or file.already_imported
            outcomes["with rejects" if file.rejected else "whole"] += 1
        assert store.num_events() - before == sum(taken), "the store holds what was acknowledged, no more and no less"
        assert time.monotonic() - started < MAX_SECONDS
        path.unlink()

    check()
    total = NUM_FILES * PART
    assert outcomes["refused"] > 0.05 * total
    assert outcomes["with rejects"] > 0.2 * total
