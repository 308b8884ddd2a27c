"""Parquet files, a stretch of rows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from aisle.errors import DataError
from aisle.ingest.chunks import CHUNK_MIN_ROWS, CHUNK_PART, CHUNK_ROWS, Chunk, Place
from aisle.ingest.compression import expand, is_compressed

_BUFFER_BYTES = 1 << 20


class ParquetReader:
    """A Parquet file, read group by group; rows are counted from 1.

    Args:
        path: the file; a compressed one is expanded into ``scratch`` first, for Parquet is read from its end.
        scratch: where it may leave an expanded file until it is closed.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self._path = path
        self._expanded: Path | None = None
        if is_compressed(path):
            scratch.mkdir(parents=True, exist_ok=True)
            self._expanded = scratch / "expanded.parquet"
            expand(path, self._expanded)
        try:
            self._file = pq.ParquetFile(self._expanded or path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            self.close()
            raise self._damaged(error) from error
        self.columns: list[str] | None = self._file.schema_arrow.names
        self.total: int = self._file.metadata.num_rows
        self._done = 0

    def _damaged(self, error: BaseException) -> DataError:
        return DataError(f"cannot read {self._path} as Parquet: {error}; it is damaged, cut off or another format")

    def done(self) -> int:
        """Rows read so far."""
        return self._done

    def chunks(self, start: Place, columns: list[str] | None) -> Iterator[Chunk]:
        """The rows after ``start`` in chunks; row groups before it are not read, rows before it not kept."""
        self._done = start.rows_done
        wanted = max(CHUNK_MIN_ROWS, min(CHUNK_ROWS, math.ceil(self.total * CHUNK_PART)))
        waiting: list[pa.RecordBatch] = []
        num_waiting = 0
        try:
            for batch in self._batches(start.rows_done, wanted, columns):
                waiting.append(batch)
                num_waiting += batch.num_rows
                while num_waiting >= wanted:
                    table = pa.Table.from_batches(waiting)
                    yield self._chunk(table.slice(0, wanted))
                    waiting = table.slice(wanted).to_batches()
                    num_waiting -= wanted
            if num_waiting:
                yield self._chunk(pa.Table.from_batches(waiting))
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _batches(self, start: int, size: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        metadata = self._file.metadata
        skip, first = start, 0
        while first < metadata.num_row_groups and skip >= metadata.row_group(first).num_rows:
            skip -= metadata.row_group(first).num_rows
            first += 1
        groups = list(range(first, metadata.num_row_groups))
        for batch in self._file.iter_batches(batch_size=size, row_groups=groups, columns=columns, use_threads=True):
            dropped = min(skip, batch.num_rows)
            skip -= dropped
            if dropped < batch.num_rows:
                yield batch.slice(dropped)

    def _chunk(self, table: pa.Table) -> Chunk:
        first = self._done + 1
        self._done += table.num_rows
        try:
            frame = pl.from_arrow(table)
        except (pl.exceptions.PolarsError, pa.ArrowException) as error:
            raise DataError(f"cannot read the columns of {self._path}: {error}; write them as plain types") from error
        assert isinstance(frame, pl.DataFrame)
        return Chunk(frame, list(range(first, self._done + 1)), [], Place(self._done, -1, self._done + 1))

    def close(self) -> None:
        """Let go of the file, and of what was expanded."""
        if hasattr(self, "_file"):
            self._file.close()
        if self._expanded is not None:
            self._expanded.unlink(missing_ok=True)
