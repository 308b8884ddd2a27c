"""Named tables for table recipes, and where the file of a recipe lies: here, ``AISLE_DATA``, the cache, its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from aisle.data import datasets
from aisle.data.movielens import (
    NUM_RATINGS,
    read_histories_archive,
    read_histories_parts,
    read_movielens_archive,
    read_movielens_parts,
)
from aisle.errors import BackendUnavailableError, ConfigError, DataError
from aisle.progress import Progress, silent


@dataclass(frozen=True)
class TableSet:
    """One public table.

    Attributes:
        recipe: The recipe that trains on it.
        relative_path: The table, as Parquet, relative to ``AISLE_DATA`` or to the cache.
        advice: How to get it.
        url: An archive that ``read`` understands; None where the terms allow no download.
        parts: A folder beside, whose files ``join`` makes the table of.
        num_rows: What a download must amount to.
    """

    name: str
    summary: str
    source: str
    licence: str
    recipe: str
    relative_path: str
    advice: str
    num_rows: int
    url: str | None = None
    read: Callable[[bytes], pl.DataFrame] | None = None
    join: Callable[[Path], pl.DataFrame | None] | None = None


_MOVIELENS = "GroupLens, MovieLens 1M; Harper and Konstan, 2015"
_MOVIELENS_TERMS = "research use, no redistribution without permission; not part of Aisle"
_MOVIELENS_URL = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
_MOVIELENS_ADVICE = (
    "download ml-1m.zip from grouplens.org/datasets/movielens/1m on a machine with a network, and run "
    "`aisle data get {name}` there"
)

TABLE_SETS = {
    "criteo_sample": TableSet(
        name="criteo_sample",
        summary="A sample of Criteo's display ads: 120,650 impressions, 13 counts, 26 categories, clicked or not.",
        source="Criteo Labs, Display Advertising Challenge, 2014",
        licence="non-commercial use only, no redistribution; not part of Aisle",
        recipe="criteo",
        relative_path="criteo_kaggle/criteo_blocks_00_72.parquet",
        advice="its terms forbid redistribution: ask Criteo for the challenge's train.txt, and train with "
        "--set data.train=train.txt (or a file of some of its lines, in their order)",
        num_rows=120_650,
    ),
    "movielens_1m": TableSet(
        name="movielens_1m",
        summary="A million ratings of 3,706 movies by 6,040 users, with what is known of both.",
        source=_MOVIELENS,
        licence=_MOVIELENS_TERMS,
        recipe="ml-1m-ctr",
        relative_path="movielens_1m/ctr.parquet",
        advice=_MOVIELENS_ADVICE.format(name="movielens_1m"),
        num_rows=NUM_RATINGS,
        url=_MOVIELENS_URL,
        read=read_movielens_archive,
        join=read_movielens_parts,
    ),
    "movielens_1m_histories": TableSet(
        name="movielens_1m_histories",
        summary="The ratings of movielens_1m with the 20 movies that their user had last liked before.",
        source=_MOVIELENS,
        licence=_MOVIELENS_TERMS,
        recipe="ml-1m-din",
        relative_path="movielens_1m/histories.parquet",
        advice=_MOVIELENS_ADVICE.format(name="movielens_1m_histories"),
        num_rows=NUM_RATINGS,
        url=_MOVIELENS_URL,
        read=read_histories_archive,
        join=read_histories_parts,
    ),
}


def find_table(name: str, progress: Progress = silent) -> Path:
    """The file that a recipe names.

    Args:
        name: A path, absolute or from here; or one below ``AISLE_DATA`` or the cache; that of a named table is made
            where it lies in neither.
        progress: Told of a download.

    Raises:
        DataError: there is no such file.
        BackendUnavailableError: a named table cannot be had.
    """
    path = Path(name).expanduser()
    places = [Path(), *datasets.places()]
    found = next((place / path for place in places if (place / path).is_file()), None)
    if found is not None:
        return found
    for table_set in TABLE_SETS.values():
        if name == table_set.relative_path:
            return make(table_set, progress)
    looked = ", ".join(str(place.absolute()) for place in places)
    raise DataError(
        f"{name}: expected a Parquet or text file, found none (looked in {looked}); name one with "
        "--set data.train=FILE, or set AISLE_DATA to its folder"
    )


def locate(table_set: TableSet) -> Path | None:
    """The table where it already lies on this machine, else ``None``."""
    return datasets.locate_file(table_set.relative_path)


def make(table_set: TableSet, progress: Progress = silent) -> Path:
    """Put a named table into the cache: joined of the parts that lie on this machine, or downloaded.

    Raises:
        BackendUnavailableError: neither can be had; the message says what to do.
        DataError: what the source gave is not the known table.
    """
    table = _joined(table_set)
    if table is None:
        if table_set.url is None or table_set.read is None:
            raise BackendUnavailableError(f"data set {table_set.name!r} is not on this machine: {table_set.advice}")
        content = datasets.download(table_set.name, table_set.url, table_set.advice, progress)
        table = table_set.read(content)
    if table.height != table_set.num_rows:
        raise DataError(
            f"data set {table_set.name!r}: expected {table_set.num_rows} rows, received {table.height}; its source has "
            "changed, so Aisle's numbers would not be comparable"
        )
    path = datasets.cache_directory() / table_set.relative_path
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.write_parquet(table, path)
    return path


def find(name: str, progress: Progress = silent) -> Path:
    """The file of a named table, made where it lies nowhere yet.

    Raises:
        ConfigError: there is no table of this name.
        BackendUnavailableError: it cannot be had.
    """
    if name not in TABLE_SETS:
        raise ConfigError(f"unknown table {name!r}; expected one of {', '.join(sorted(TABLE_SETS))}")
    table_set = TABLE_SETS[name]
    return locate(table_set) or make(table_set, progress)


def _joined(table_set: TableSet) -> pl.DataFrame | None:
    if table_set.join is None:
        return None
    folders = [place / Path(table_set.relative_path).parent for place in datasets.places()]
    return next((table for folder in folders if (table := table_set.join(folder)) is not None), None)
