"""CSV and JSON lines: exact line numbers and byte offsets, and a bad row never takes its neighbours with it."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from aisle.errors import DataError
from aisle.ingest.chunks import CHUNK_MIN_ROWS, CHUNK_PART, CHUNK_ROWS, MAX_RECORD_BYTES, Chunk, Place, Rejected
from aisle.ingest.compression import DAMAGED, ByteStream

_DELIMITERS = ",;\t|"


class _Lines:
    """Lines of a stream with their numbers, which can be put back."""

    def __init__(self, stream: ByteStream, place: Place) -> None:
        self._stream = stream
        self._waiting: deque[bytes] = deque()
        self.byte_offset = place.byte_offset
        self.line = place.line
        self.record: list[bytes] = []

    def take(self) -> bytes:
        """The next line, empty at the end; one that is too long is cut, and the rest of it skipped."""
        line = self._waiting.popleft() if self._waiting else self._stream.readline(MAX_RECORD_BYTES)
        self.byte_offset += len(line)
        if line:
            self.line += 1
        if len(line) == MAX_RECORD_BYTES and not line.endswith(b"\n"):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = self._stream.readline(MAX_RECORD_BYTES)
                self.byte_offset += len(rest)
        return line

    def start_record(self) -> None:
        self.record = []

    def __iter__(self) -> Iterator[str]:
        """For the csv module, which takes as many lines as a record has."""
        return self

    def __next__(self) -> str:
        line = self.take()
        if not line:
            raise StopIteration
        self.record.append(line)
        if len(line) == MAX_RECORD_BYTES:
            raise csv.Error("a line without an end")
        if len(self.record) > 1 and sum(map(len, self.record)) > MAX_RECORD_BYTES:
            raise csv.Error("a quoted text that does not end")
        return line.decode("utf-8", "surrogateescape")

    def put_back(self) -> bytes:
        """Put all but the first line of the record back; returns that first line."""
        first, *others = self.record
        self._waiting.extendleft(reversed(others))
        self.byte_offset -= sum(map(len, others))
        self.line -= len(others)
        return first


class _TextReader:
    """What CSV and JSON lines share: progress, and where a chunk ends."""

    columns: list[str] | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.total = path.stat().st_size
        self._stream: ByteStream | None = None

    def done(self) -> int:
        """Bytes of the file taken so far."""
        return 0 if self._stream is None else self._stream.position()

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()

    def _open(self, place: Place) -> _Lines:
        self.close()
        try:
            self._stream = ByteStream(self._path, place.byte_offset)
        except DAMAGED as error:
            raise self._damaged(error) from error
        return _Lines(self._stream, place)

    def _damaged(self, error: BaseException) -> DataError:
        return DataError(f"cannot read on in {self._path}: {error}; the file is damaged or cut off, fetch it again")

    def _is_full(self, num_rows: int, start: int) -> bool:
        if num_rows < CHUNK_MIN_ROWS:
            return False
        return num_rows >= CHUNK_ROWS or self.done() - start >= self.total * CHUNK_PART


class CsvReader(_TextReader):
    """A CSV file with a header; the separator is the one the header uses most (comma, semicolon, tab or bar)."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._names = self._read_header(self._open(Place()))
        except DAMAGED as error:
            raise self._damaged(error) from error
        finally:
            self.close()
        self.columns: list[str] | None = self._names

    def _read_header(self, lines: _Lines) -> list[str]:
        try:
            header = lines.take()
            while header and not header.strip():
                header = lines.take()
            text = header.decode("utf-8-sig").strip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(f"expected UTF-8 text, {self._path} has {error.object[:20]!r}; convert it first") from None
        if not text.strip():
            raise DataError(f"expected a header with the names of the columns in {self._path}, found none")
        self._delimiter = max(_DELIMITERS, key=text.count)
        names = [name.strip() for name in next(csv.reader([text], delimiter=self._delimiter))]
        repeated = ", ".join(repr(name) for name in sorted(set(names)) if names.count(name) > 1)
        if repeated:
            raise DataError(f"expected each column of {self._path} once, found {repeated} more than once")
        self._first = Place(0, lines.byte_offset, lines.line)
        return names

    def chunks(self, start: Place, columns: list[str] | None) -> Iterator[Chunk]:
        """The records after a place; each chunk is a frame of texts, all columns of the file."""
        lines = self._open(start if start.rows_done else self._first)
        rows_done, began = start.rows_done, self.done()
        rows: list[list[str]] = []
        numbers: list[int] = []
        unreadable: list[Rejected] = []
        for number, row in self._records(lines):
            rows_done += 1
            if isinstance(row, Rejected):
                unreadable.append(row)
            else:
                rows.append(row)
                numbers.append(number)
            if self._is_full(len(rows) + len(unreadable), began):
                yield self._chunk(rows, numbers, unreadable, Place(rows_done, lines.byte_offset, lines.line))
                rows, numbers, unreadable, began = [], [], [], self.done()
        if rows or unreadable:
            yield self._chunk(rows, numbers, unreadable, Place(rows_done, lines.byte_offset, lines.line))

    def _chunk(self, rows: list[list[str]], numbers: list[int], unreadable: list[Rejected], end: Place) -> Chunk:
        schema = dict.fromkeys(self._names, pl.String)
        return Chunk(pl.DataFrame(rows, schema=schema, orient="row"), numbers, unreadable, end)

    def _records(self, lines: _Lines) -> Iterator[tuple[int, list[str] | Rejected]]:
        num_columns = len(self._names)
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            lines.start_record()
            number = lines.line
            problem = ""
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problem = str(error)
            except DAMAGED as error:
                raise self._damaged(error) from error
            if not problem and not row:
                continue  # an empty line
            if not problem and len(row) == num_columns and _is_text(row, lines.record):
                yield number, row
                continue
            # A quote that does not end swallows the rows after it: give those back.
            several = len(lines.record) > 1
            first = lines.put_back()
            if problem or several:
                reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
                yield number, _bad(number, "the quotes are wrong", problem or "a text in quotes over lines", first)
            elif len(row) != num_columns:
                detail = f"expected {num_columns} fields, received {len(row)}"
                yield number, _bad(number, "another number of fields than the header", detail, first)
            else:
                yield number, _bad(number, "not UTF-8", "expected UTF-8 text", first)


class JsonLinesReader(_TextReader):
    """One JSON object per line."""

    def chunks(self, start: Place, columns: list[str] | None) -> Iterator[Chunk]:
        """The objects after a place, as they are."""
        lines = self._open(start)
        rows_done, began = start.rows_done, self.done()
        rows: list[dict[str, Any]] = []
        numbers: list[int] = []
        unreadable: list[Rejected] = []
        for number, row in self._records(lines):
            rows_done += 1
            if isinstance(row, Rejected):
                unreadable.append(row)
            else:
                rows.append(row)
                numbers.append(number)
            if self._is_full(len(rows) + len(unreadable), began):
                yield Chunk(rows, numbers, unreadable, Place(rows_done, lines.byte_offset, lines.line))
                rows, numbers, unreadable, began = [], [], [], self.done()
        if rows or unreadable:
            yield Chunk(rows, numbers, unreadable, Place(rows_done, lines.byte_offset, lines.line))

    def _records(self, lines: _Lines) -> Iterator[tuple[int, dict[str, Any] | Rejected]]:
        while True:
            number = lines.line
            try:
                line = lines.take()
            except DAMAGED as error:
                raise self._damaged(error) from error
            if not line:
                return
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            try:
                row = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                yield number, _bad(number, "not JSON", str(error), line)
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                yield number, _bad(number, "not a JSON object", f"expected an object, received {text[:40]!r}", line)


def _is_text(row: list[str], record: list[bytes]) -> bool:
    """Whether a record is UTF-8; bytes that are not came through as half characters."""
    if all(line.isascii() for line in record):
        return True
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True


def _bad(number: int, reason: str, detail: str, line: bytes) -> Rejected:
    return Rejected(number, reason, detail, line.decode("utf-8", "replace").rstrip("\r\n")[:10_000])
