"""From a chunk of a file to records that are ready to be written: map, check, number, name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from aisle.ingest.chunks import Chunk, Place, Rejected
from aisle.ingest.event_checks import CheckedEvents, check_frame, collect_events
from aisle.ingest.event_ids import content_digests, derived_ids
from aisle.ingest.mapping import FieldMap
from aisle.ingest.occurrences import Entry, Occurrences
from aisle.ingest.records import CheckedRow, check_row, readable_rows
from aisle.schema.identity import ITEM_SEPARATOR
from aisle.store import EVENT_FRAME


@dataclass(frozen=True)
class Prepared:
    """A chunk ready to be written: events as a frame of the store's, or a list of items or users."""

    records: pl.DataFrame | list[Any]
    rejected: list[Rejected]
    num_naive_times: int
    num_rows: int
    end: Place
    #: The arrays of occurrence numbers that count once this chunk is committed.
    arrays: list[Entry]


class Preparation(Protocol):
    """One import's way from chunks to records."""

    def prepare(self, chunk: Chunk) -> Prepared:
        """Prepare the next chunk of the file."""
        ...


@dataclass
class RecordPreparation:
    """Items and users: each row is checked by itself.

    Args:
        mapping: which column holds which field.
        columns: for each field its column, where all rows have the same columns.
    """

    mapping: FieldMap
    columns: dict[str, str] | None

    def prepare(self, chunk: Chunk) -> Prepared:
        """Prepare the next chunk of the file."""
        checked = check_rows(chunk, self.mapping, self.columns)
        good = [row for row in checked if isinstance(row, CheckedRow)]
        rejected = [row for row in checked if isinstance(row, Rejected)]
        return Prepared(
            records=[row.record for row in good],
            rejected=sorted([*chunk.unreadable, *rejected], key=lambda row: row.line),
            num_naive_times=sum(row.has_naive_time for row in good),
            num_rows=len(chunk.lines) + len(chunk.unreadable),
            end=chunk.end,
            arrays=[],
        )


@dataclass
class EventPreparation:
    """Events: checked by column where they come as a frame, named by content where they have no id.

    Args:
        mapping: which column holds which field.
        columns: for each field its column, where all rows have the same columns.
        occurrences: the numbers of identical rows.
    """

    mapping: FieldMap
    columns: dict[str, str] | None
    occurrences: Occurrences

    def prepare(self, chunk: Chunk) -> Prepared:
        """Prepare the next chunk of the file."""
        if isinstance(chunk.rows, pl.DataFrame):
            assert self.columns is not None
            checked = check_frame(chunk.rows, chunk.lines, self.mapping, self.columns)
        else:
            checked = CheckedEvents(*collect_events(check_rows(chunk, self.mapping, self.columns)))
        return Prepared(
            records=_store_frame(self._named(checked.frame)),
            rejected=sorted([*chunk.unreadable, *checked.rejected], key=lambda row: row.line),
            num_naive_times=checked.num_naive_times,
            num_rows=len(chunk.lines) + len(chunk.unreadable),
            end=chunk.end,
            arrays=self.occurrences.entries,
        )

    def _named(self, frame: pl.DataFrame) -> pl.DataFrame:
        is_nameless = frame["event_id"].is_null()
        if not is_nameless.any():
            return frame
        nameless = frame.filter(is_nameless)
        times, digests = nameless["timestamp_ms"].to_numpy(), content_digests(nameless)
        ids = derived_ids(times, digests, self.occurrences.number(times, digests))
        if len(nameless) == len(frame):
            return frame.with_columns(event_id=pl.Series(ids, dtype=pl.String))
        given = frame["event_id"].to_list()
        for row, id_ in zip(np.flatnonzero(is_nameless.to_numpy()).tolist(), ids, strict=True):
            given[row] = id_
        return frame.with_columns(event_id=pl.Series(given, dtype=pl.String))


def check_rows(chunk: Chunk, mapping: FieldMap, columns: dict[str, str] | None) -> list[CheckedRow | Rejected]:
    """Check a chunk's rows one by one."""
    rows = chunk.rows if isinstance(chunk.rows, list) else readable_rows(chunk.rows)
    if columns is None:
        fields = [mapping.apply(row) for row in rows]
    else:
        fields = [{name: row[column] for name, column in columns.items()} | mapping.constants for row in rows]
    return [
        check_row(mapping.kind, line, values, row) for line, values, row in zip(chunk.lines, fields, rows, strict=True)
    ]


def _store_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per item of an event, as the store takes them."""
    if not frame["items"].str.contains(ITEM_SEPARATOR, literal=True).any():
        frame = frame.with_columns(item_id="items", item_index=pl.lit(0, pl.Int32))
        return frame.select(EVENT_FRAME.names())
    frame = frame.with_columns(item_id=pl.col("items").str.split(ITEM_SEPARATOR))
    frame = frame.with_columns(item_index=pl.int_ranges(0, pl.col("item_id").list.len(), dtype=pl.Int32))
    return frame.explode("item_id", "item_index").select(EVENT_FRAME.names())
