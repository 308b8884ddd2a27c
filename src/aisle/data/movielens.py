"""MovieLens-1M as tables for click-through models: each rating with its user and movie, and with what was liked before.

Source: GroupLens, MovieLens 1M; Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from aisle.data.histories import earlier_things, own_progress
from aisle.errors import DataError

NUM_RATINGS = 1_000_209
#: The table's columns.
COLUMNS = ("user_id", "movie_id", "rating", "gender", "age", "occupation", "zip_code", "genres", "year")
#: A history holds at most so many movies.
HISTORY_LENGTH = 20
_LIKED_ABOVE = 3

_Tables = dict[str, pl.DataFrame]
_FIELDS: dict[str, dict[str, type[pl.DataType]]] = {
    "ratings": {"user_id": pl.Int32, "movie_id": pl.Int32, "rating": pl.Int8, "timestamp": pl.Int64},
    "users": {"user_id": pl.Int32, "gender": pl.String, "age": pl.Int16, "occupation": pl.Int16, "zip_code": pl.String},
    "movies": {"movie_id": pl.Int32, "title": pl.String, "genres": pl.String},
}


def read_movielens_archive(content: bytes) -> pl.DataFrame:
    """The table inside the public archive, in the order of its file.

    Raises:
        DataError: the archive does not hold what it should.
    """
    return join_movielens(_unpacked(content))


def read_movielens_parts(folder: Path) -> pl.DataFrame | None:
    """The table from ``interactions``, ``users`` and ``movies`` as Parquet files; None where they do not lie there."""
    parts = _parts(folder)
    return None if parts is None else join_movielens(parts)


def read_histories_archive(content: bytes) -> pl.DataFrame:
    """The table with histories, see :func:`with_histories`, of the public archive.

    Raises:
        DataError: the archive does not hold what it should.
    """
    frames = _unpacked(content)
    return with_histories(join_movielens(frames), frames["ratings"]["timestamp"])


def read_histories_parts(folder: Path) -> pl.DataFrame | None:
    """The table with histories of Parquet files, whose times are places in the user's order; None without files."""
    parts = _parts(folder)
    return None if parts is None else with_histories(join_movielens(parts), parts["ratings"]["pos"])


def with_histories(table: pl.DataFrame, time: pl.Series) -> pl.DataFrame:
    """Each rating with the last movies that its user had liked at strictly earlier times (``history``, oldest first).

    Rows are in the order of their users' own progress: the first 80 % hold the first 80 % of every user's ratings.

    Args:
        table: The ratings.
        time: Of each; comparable for one user.
    """
    user_R, time_R = table["user_id"].to_numpy(), time.to_numpy()
    is_liked_R = (table["rating"] > _LIKED_ABOVE).to_numpy()
    history = earlier_things(user_R, time_R, table["movie_id"].to_numpy(), is_liked_R, length=HISTORY_LENGTH)
    progress = pl.Series("progress", own_progress(user_R, time_R))
    return table.with_columns(history, progress).sort("progress", maintain_order=True).drop("progress")


def _unpacked(content: bytes) -> _Tables:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: _lines(archive.read(f"ml-1m/{name}.dat"), fields) for name, fields in _FIELDS.items()}
    except (zipfile.BadZipFile, KeyError, pl.exceptions.PolarsError) as error:
        raise DataError(f"MovieLens-1M: the download is not the known archive ({error}); try again later") from error


def _parts(folder: Path) -> _Tables | None:
    paths = {name: folder / f"{name}.parquet" for name in ("interactions", "users", "movies")}
    if not all(path.is_file() for path in paths.values()):
        return None
    try:
        frames = {name: pl.read_parquet(path) for name, path in paths.items()}
        return frames | {"ratings": frames["interactions"].sort("file_row")}
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{folder}: expected MovieLens-1M in Parquet files, received others ({error})") from error


def join_movielens(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Each rating with what is known of its user and movie.

    Args:
        frames: ``ratings``, ``users`` and ``movies``.
    """
    movies = frames["movies"].with_columns(
        pl.col("title").str.extract(r"\((\d{4})\)\s*$", 1).cast(pl.Int16).alias("year")
    )
    return (
        frames["ratings"]
        .join(frames["users"], on="user_id", how="left", maintain_order="left")
        .join(movies, on="movie_id", how="left", maintain_order="left")
        .select(COLUMNS)
    )


def _lines(content: bytes, fields: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    lines = pl.Series("line", content.decode("latin-1").splitlines())
    parts = lines.str.split_exact("::", len(fields) - 1).struct.rename_fields(list(fields)).struct.unnest()
    return parts.select(pl.col(name).cast(dtype) for name, dtype in fields.items())
