"""MovieLens-1M as a table for click-through models: each rating with its user and movie, in the order of the file.

Source: GroupLens, MovieLens 1M; Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from aisle.errors import DataError

NUM_RATINGS = 1_000_209
#: The table's columns.
COLUMNS = ("user_id", "movie_id", "rating", "gender", "age", "occupation", "zip_code", "genres", "year")

_FIELDS: dict[str, dict[str, type[pl.DataType]]] = {
    "ratings": {"user_id": pl.Int32, "movie_id": pl.Int32, "rating": pl.Int8, "timestamp": pl.Int64},
    "users": {"user_id": pl.Int32, "gender": pl.String, "age": pl.Int16, "occupation": pl.Int16, "zip_code": pl.String},
    "movies": {"movie_id": pl.Int32, "title": pl.String, "genres": pl.String},
}


def read_movielens_archive(content: bytes) -> pl.DataFrame:
    """The table inside the public archive.

    Raises:
        DataError: the archive does not hold what it should.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return join_movielens(
                {name: _lines(archive.read(f"ml-1m/{name}.dat"), fields) for name, fields in _FIELDS.items()}
            )
    except (zipfile.BadZipFile, KeyError, pl.exceptions.PolarsError) as error:
        raise DataError(f"MovieLens-1M: the download is not the known archive ({error}); try again later") from error


def read_movielens_parts(folder: Path) -> pl.DataFrame | None:
    """The table from ``interactions``, ``users`` and ``movies`` as Parquet files; None where they do not lie there."""
    paths = {name: folder / f"{name}.parquet" for name in ("interactions", "users", "movies")}
    if not all(path.is_file() for path in paths.values()):
        return None
    try:
        frames = {name: pl.read_parquet(path) for name, path in paths.items()}
        return join_movielens({**frames, "ratings": frames["interactions"].sort("file_row")})
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
