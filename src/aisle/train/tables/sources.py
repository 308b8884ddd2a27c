"""The files of a table recipe, and their rows as they are: part by part, with labels and weights. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from aisle.data import splits
from aisle.data.table_files import TableFile, check_columns, open_table
from aisle.data.tables import find_table
from aisle.features.frames import dtype_of
from aisle.progress import Progress, silent
from aisle.recipe.data import PARTS, FilesSplitSpec, TableDataSpec
from aisle.schema import Schema
from aisle.train.tables.rows import PART, TableSource, label_types


def open_tables(data: TableDataSpec, progress: Progress = silent) -> dict[str, TableFile]:
    """The files by their part; where one file has all parts, it is that of "train".

    Raises:
        DataError: a file is not there, or cannot be read.
    """
    paths = {"train": data.train}
    if isinstance(data.split, FilesSplitSpec):
        paths |= {"valid": data.split.valid, "test": data.split.test}
    paths |= data.extra_tests
    return {
        part: open_table(find_table(name, progress), label=data.label, columns=data.columns)
        for part, name in paths.items()
    }


def table_sources(data: TableDataSpec, tables: Mapping[str, TableFile]) -> list[TableSource]:
    """The files with the part of each row."""
    sources = []
    for part, table in tables.items():
        if part == "train" and not isinstance(data.split, FilesSplitSpec):
            part_of = splits.part_of(data.split, lambda: tables["train"].num_rows)
            sources.append(TableSource(table, data, part_of, PARTS))
        else:
            sources.append(TableSource(table, data, splits.everything(0), (part,)))
    return sources


def raw_rows(
    data: TableDataSpec, schema: Schema, parts: set[str] | None = None, progress: Progress = silent
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of a table in the order of its files, with their labels and weights.

    Args:
        data: The table.
        schema: The columns to read.
        parts: Which parts ("train", "valid", "test", extra tests); missing: all.
        progress: Told of rows read.

    Yields:
        The name of a part and some of its rows, with ``LABEL`` and ``WEIGHT`` of :mod:`aisle.train.tables.rows` beside
        the columns.

    Raises:
        DataError: a file is not there, cannot be read, or lacks a column.
    """
    for source in table_sources(data, open_tables(data, progress)):
        if parts is not None and not parts.intersection(source.parts):
            continue
        done = 0
        for frame in source.frames(_types(data, schema, source)):
            for number, part in enumerate(source.parts):
                of_part = frame.filter(pl.col(PART) == number)
                if len(of_part) and (parts is None or part in parts):
                    yield part, of_part
            done += len(frame)
            progress(f"score {source.table.path.name}", done, None)


def _types(data: TableDataSpec, schema: Schema, source: TableSource) -> dict[str, pl.DataType]:
    """What texts are read as; other files have types of their own."""
    check_columns(source.table, dict.fromkeys(schema.names))
    types = label_types(data)
    if len(source.parts) > 1:
        types |= {name: pl.String() for name in splits.split_columns(data.split)}
    return types | {column.name: source.table.columns[column.name] or dtype_of(column) for column in schema}
