"""Imports files into a store: in chunks, each committed with the mark that says how far the import has come.

Killed at any moment, an import goes on at the last mark when it is started again: rows, counters, rejected rows and
the numbers of identical rows are then exactly as if it had never stopped. The mark belongs to the file's content, its
kind and its mapping, not to its name; a file that was imported whole is not read again.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aisle.errors import ConfigError, DataError
from aisle.ingest.chunks import Place, Reader, file_digest
from aisle.ingest.compression import format_suffix
from aisle.ingest.mapping import FieldMap, Kind
from aisle.ingest.occurrences import Occurrences
from aisle.ingest.parquet_reader import ParquetReader
from aisle.ingest.preparation import EventPreparation, Preparation, Prepared, RecordPreparation
from aisle.ingest.report import FileReport, ImportReport, Rejects
from aisle.ingest.text_readers import CsvReader, JsonLinesReader
from aisle.progress import Progress, silent
from aisle.store import ImportMark, Store

logger = logging.getLogger(__name__)

#: Part of every import's key: a change of how rows become records makes a file new.
_SEMANTICS = "1"


def import_files(
    store: Store,
    imports: Path,
    kind: Kind,
    paths: Sequence[Path],
    *,
    mapping: FieldMap | None = None,
    max_errors: int | None = None,
    progress: Progress = silent,
) -> ImportReport:
    """Import files, one after the other.

    Args:
        store: where the records go.
        imports: the workspace's folder for rejected rows and for what a resumed import needs.
        kind: what the files hold.
        paths: CSV, JSONL or Parquet files, also ``.gz`` or ``.zst``.
        mapping: which column holds which field; by default the one of its name.
        max_errors: stop after more than so many rejected rows per file; what was committed stays.
        progress: told how far each file is.

    Raises:
        ConfigError: a file's format is not known, or its columns do not fit the mapping.
        DataError: a file is missing or damaged, or has too many errors.
    """
    mapping = mapping or FieldMap(kind)
    for path in paths:
        if format_suffix(path) not in _SUFFIXES:
            known = ", ".join(_SUFFIXES)
            raise ConfigError(f"expected a file that ends in {known} (or these with .gz or .zst), received {path}")
    return ImportReport(
        kind, [_FileImport(store, imports, path, mapping, max_errors, progress).run() for path in paths]
    )


_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def _reader(path: Path, scratch: Path) -> Reader:
    suffix = format_suffix(path)
    if suffix == ".parquet":
        return ParquetReader(path, scratch)
    return CsvReader(path) if suffix in (".csv", ".tsv") else JsonLinesReader(path)


@dataclass
class _FileImport:
    """One file's way into the store."""

    store: Store
    imports: Path
    path: Path
    mapping: FieldMap
    max_errors: int | None
    progress: Progress

    def run(self) -> FileReport:
        began = time.monotonic()
        text = f"{_SEMANTICS} {file_digest(self.path)} {self.mapping.signature()}"
        key = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        folder = self.imports / key
        with _alone(folder):
            mark = self.store.import_mark(key)
            if mark is not None and mark.finished and self.mapping.kind != "events":
                mark = None  # an event is a fact; a record is a state, and a file may bring an earlier one back
            report = self._report(mark)
            if not report.already_imported:
                self._check_errors(report)
                self._go_on(key, mark, folder, report)
            shutil.rmtree(folder, ignore_errors=True)
        report.seconds = time.monotonic() - began
        return report

    def _report(self, mark: ImportMark | None) -> FileReport:
        """What earlier runs left; after a whole one, all that is in the file is there already."""
        report = FileReport(str(self.path), self.mapping.kind)
        if mark is None:
            return report
        state = mark.state
        report.rows = report.resumed_at = mark.rows_done
        report.accepted, report.duplicates = state["accepted"], state["duplicates"]
        report.rejected, report.naive_times = state["rejected"], state["naive_times"]
        report.reasons = Counter(state["reasons"])
        report.rejects_file = state["rejects_file"]
        if mark.finished:
            report.already_imported = report.finished = True
            report.duplicates, report.accepted = report.duplicates + report.accepted, 0
        return report

    def _go_on(self, key: str, mark: ImportMark | None, folder: Path, report: FileReport) -> None:
        state = {} if mark is None else mark.state
        arrays = [(name, first, last) for name, first, last in state.get("arrays", [])]
        name = re.sub(r"[^\w.-]", "_", self.path.name)
        rejects = Rejects(self.imports / f"{name}.{key[:8]}.rejects.jsonl", state.get("rejects_bytes", 0))
        start = Place() if mark is None else Place(mark.rows_done, mark.byte_offset, state["line"])
        with closing(_reader(self.path, folder)) as reader:
            columns = None if reader.columns is None else self.mapping.columns_of(reader.columns)
            preparation: Preparation = RecordPreparation(self.mapping, columns)
            if self.mapping.kind == "events":
                preparation = EventPreparation(self.mapping, columns, Occurrences(folder, arrays))
            wanted = None if columns is None else list(dict.fromkeys(columns.values()))
            steps = (preparation.prepare(chunk) for chunk in reader.chunks(start, wanted))
            with closing(_one_ahead(steps)) as ready:
                for prepared in ready:
                    rejects.add(prepared.rejected)
                    mark = self._count(key, prepared, rejects, report)
                    self._write(prepared, mark, report)
                    self.progress(self.path.name, min(reader.done(), reader.total), reader.total)
                    self._check_errors(report)
        if mark is None:
            mark = self._mark(key, Place(), {"arrays": [], "rejects_bytes": 0}, report)
        # The counters of the last mark were written before its rows were counted.
        finished = self._mark(key, Place(mark.rows_done, mark.byte_offset, 0), mark.state, report, finished=True)
        self.store.save_import_mark(finished)
        report.finished = True

    def _count(self, key: str, prepared: Prepared, rejects: Rejects, report: FileReport) -> ImportMark:
        report.rows = prepared.end.rows_done
        report.rows_read += prepared.num_rows
        report.rejected += len(prepared.rejected)
        report.reasons.update(row.reason for row in prepared.rejected)
        report.naive_times += prepared.num_naive_times
        report.rejects_file = str(rejects.path) if report.rejected else None
        state = {"arrays": prepared.arrays, "rejects_bytes": rejects.num_bytes}
        return self._mark(key, prepared.end, state, report)

    def _mark(
        self, key: str, place: Place, state: dict[str, Any], report: FileReport, *, finished: bool = False
    ) -> ImportMark:
        state = state | {
            "accepted": report.accepted,
            "duplicates": report.duplicates,
            "rejected": report.rejected,
            "naive_times": report.naive_times,
            "reasons": dict(report.reasons),
            "rejects_file": report.rejects_file,
            "line": place.line,
        }
        source = str(self.path)
        return ImportMark(key, self.mapping.kind, source, place.rows_done, place.byte_offset, state, finished)

    def _write(self, prepared: Prepared, mark: ImportMark, report: FileReport) -> None:
        records = prepared.records
        if isinstance(records, list):
            if self.mapping.kind == "users":
                changed = self.store.put_users(records, mark)
            else:
                changed = self.store.put_items(records, mark, undated="always")
            accepted, duplicates = changed, len(records) - changed
        else:
            result = self.store.write_events(records, mark)
            accepted, duplicates = result.accepted, result.duplicates
        report.accepted += accepted
        report.duplicates += duplicates

    def _check_errors(self, report: FileReport) -> None:
        if self.max_errors is None or report.rejected <= self.max_errors:
            return
        commonest = ", ".join(f"{reason} ({count})" for reason, count in report.reasons.most_common(3))
        raise DataError(
            f"{self.path}: expected at most {self.max_errors} rejected rows, found {report.rejected} in the first "
            f"{report.rows} rows: {commonest}; see {report.rejects_file}. {report.accepted} records are in the store "
            "and stay; correct the file, or run this again with a larger --max-errors to go on from here"
        )


def _one_ahead(steps: Iterator[Prepared]) -> Generator[Prepared, None, None]:
    """Prepare the next chunk in another thread while this one is written."""
    with ThreadPoolExecutor(1, "prepare") as pool:
        future = pool.submit(next, steps, None)
        while (prepared := future.result()) is not None:
            future = pool.submit(next, steps, None)
            yield prepared


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one import of a file run at a time; the next one then finds what this one did."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / "lock").open("ab")
            break
        except FileNotFoundError:
            continue  # the import that just ended took the folder with it
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("another import of the same file is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
