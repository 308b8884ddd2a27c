"""Tables in files, Parquet or text, read from the first row to the last in bounded memory."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from aisle.errors import DataError
from aisle.recipe.columns import expand_ranges
from aisle.recipe.strict import nearest

_BATCH_ROWS = 1 << 17
_BLOCK_BYTES = 1 << 24
_FIRST_LINE_BYTES = 1 << 20
_SEPARATORS = "\t,;"
_PARQUET_MAGIC = b"PAR1"
_COMPRESSED_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "Zstandard", b"PK\x03\x04": "zip"}
_IDENTITY_BLOCKS = 16
_IDENTITY_BLOCK_BYTES = 1 << 16


class TableFile(Protocol):
    """One table.

    Attributes:
        path: The file.
        columns: The columns in order; the type of each, or None where a text is whatever one reads it as.
    """

    path: Path
    columns: Mapping[str, pl.DataType | None]

    @property
    def num_rows(self) -> int:
        """How many rows there are; a text is read once to know."""
        ...

    def batches(self, types: Mapping[str, pl.DataType]) -> Iterator[pl.DataFrame]:
        """The rows in order, a hundred thousand or so at a time.

        Args:
            types: The columns to read, and what texts are read as.

        Raises:
            DataError: the file cannot be read, or a text holds something else.
        """
        ...


def open_table(path: Path, *, label: str, columns: Sequence[str] | None = None) -> TableFile:
    """A table by what the file is, whatever it is called.

    Args:
        path: A Parquet file, or text whose fields stand between tabs, commas or semicolons. Its first line is a header
            if it names the label.
        label: The label's column.
        columns: The names where there is no header; ranges (``I1..I13``) are written out.

    Raises:
        DataError: it is neither, or nothing names a text's columns.
    """
    try:
        with path.open("rb") as stream:
            start = stream.readline(_FIRST_LINE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    for magic, name in _COMPRESSED_MAGIC.items():
        if start.startswith(magic):
            raise DataError(f"{path}: expected a Parquet or text file, received {name}; unpack it first")
    if start.startswith(_PARQUET_MAGIC):
        return ParquetTable(path)
    return TextTable(path, start, label, columns)


class ParquetTable:
    """A Parquet file; within a row group pages are read one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with pq.ParquetFile(path) as file:
                self.num_rows: int = file.metadata.num_rows
                empty = pl.from_arrow(file.schema_arrow.empty_table())
        except (pa.ArrowException, OSError, pl.exceptions.PolarsError) as error:
            raise self._damaged(error) from error
        assert isinstance(empty, pl.DataFrame)
        self.columns: Mapping[str, pl.DataType | None] = dict(empty.schema)

    def batches(self, types: Mapping[str, pl.DataType]) -> Iterator[pl.DataFrame]:
        """See :class:`TableFile`; columns have the types of the file."""
        check_columns(self, types)
        try:
            with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 20) as file:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(types)):
                    yield _frame(batch)
        except (pa.ArrowException, OSError, pl.exceptions.PolarsError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: BaseException) -> DataError:
        return DataError(f"{self.path}: cannot be read as Parquet ({error}); it is damaged or cut off")


class TextTable:
    """Lines of text; an empty field is missing.

    Args:
        path: The file.
        first_line: Its beginning.
        label: The label's column, which a header names.
        columns: The names where there is no header.
    """

    def __init__(self, path: Path, first_line: bytes, label: str, columns: Sequence[str] | None) -> None:
        self.path = path
        try:
            line = first_line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: expected a Parquet or text file (UTF-8), received something else") from error
        self._separator = next((one for one in _SEPARATORS if one in line), ",")
        fields = next(csv.reader([line], delimiter=self._separator), [])
        self._has_header = label in fields
        names = fields if self._has_header else expand_ranges(columns or [])
        if not names:
            raise DataError(
                f"{path}: expected a header with the label {label!r}, received {line[:80]!r}; set data.label to the "
                "label's column, or data.columns to the names of all fields"
            )
        if len(names) != len(fields) or len(set(names)) != len(names):
            raise DataError(
                f"{path}: expected {len(names)} fields of different names ({', '.join(names)}), received {len(fields)} "
                f"in the first line; correct data.columns"
            )
        self.columns: Mapping[str, pl.DataType | None] = dict.fromkeys(names)

    @cached_property
    def num_rows(self) -> int:
        """How many rows there are; the file is read once to know."""
        return sum(batch.num_rows for batch in self._read({next(iter(self.columns)): pl.String()}))

    def batches(self, types: Mapping[str, pl.DataType]) -> Iterator[pl.DataFrame]:
        """See :class:`TableFile`."""
        check_columns(self, types)
        for batch in self._read(types):
            yield _frame(batch)

    def _read(self, types: Mapping[str, pl.DataType]) -> Iterator[pa.RecordBatch]:
        arrow = {name: pl.Series(dtype=dtype).to_arrow().type for name, dtype in types.items()}
        try:
            with pa.csv.open_csv(
                self.path,
                read_options=pa.csv.ReadOptions(
                    block_size=_BLOCK_BYTES, column_names=list(self.columns), skip_rows=int(self._has_header)
                ),
                parse_options=pa.csv.ParseOptions(delimiter=self._separator),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=list(types), column_types=arrow, null_values=[""], strings_can_be_null=True
                ),
            ) as reader:
                yield from reader
        except (pa.ArrowException, OSError) as error:
            reads = ", ".join(f"{name} as {dtype}" for name, dtype in types.items())
            raise DataError(f"{self.path}: cannot be read ({error}); the recipe reads {reads}"[:1000]) from error


def check_columns(table: TableFile, wanted: Mapping[str, object]) -> None:
    """Refuse names that are no column of the table.

    Raises:
        DataError: naming the nearest column.
    """
    for name in wanted:
        if name not in table.columns:
            raise DataError(f"{table.path}: no column {name!r}, {nearest(name, list(table.columns))}")


def identity(path: Path) -> str:
    """A hash that changes when the file does: of its size, its time of change and blocks spread over its bytes."""
    status = path.stat()
    digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    last = max(status.st_size - _IDENTITY_BLOCK_BYTES, 0)
    with path.open("rb") as stream:
        for number in range(_IDENTITY_BLOCKS):
            stream.seek(last * number // (_IDENTITY_BLOCKS - 1))
            digest.update(stream.read(_IDENTITY_BLOCK_BYTES))
    return digest.hexdigest()


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame
