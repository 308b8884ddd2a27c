"""Named data sets: where each is found (``AISLE_DATA``, the user's cache, its public source) and how it is prepared."""

from __future__ import annotations

import io
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from aisle.data.online_retail import NUM_RAW_LINES, RAW_SCHEMA, Prepared, prepare_online_retail
from aisle.errors import BackendUnavailableError, ConfigError, DataError
from aisle.progress import Progress, silent

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class DataSet:
    """One public data set that Aisle can fetch and prepare."""

    name: str
    summary: str
    source: str
    licence: str
    #: The raw table, as Parquet, relative to ``AISLE_DATA`` or to the cache.
    relative_path: str
    url: str
    num_rows: int
    read_download: Callable[[bytes], pl.DataFrame]
    prepare: Callable[[pl.DataFrame], Prepared]


def read_online_retail_archive(content: bytes) -> pl.DataFrame:
    """The table inside the public archive: one spreadsheet in one zip.

    Raises:
        BackendUnavailableError: the optional spreadsheet reader is not installed.
        DataError: the archive does not hold what it should.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".xlsx")]
            if len(names) != 1:
                raise DataError(f"Online Retail: expected one .xlsx in the archive, received {archive.namelist()}")
            workbook = archive.read(names[0])
    except zipfile.BadZipFile as error:
        raise DataError("Online Retail: the download is not a zip archive; try again later") from error
    # Codes are numbers or text in the same column, and CustomerID is written as a float: read as text, then cast.
    text = dict.fromkeys(("InvoiceNo", "StockCode", "Description", "Country"), pl.String)
    try:
        table = pl.read_excel(io.BytesIO(workbook), engine="calamine", schema_overrides=text)
    except ModuleNotFoundError as error:
        raise BackendUnavailableError(
            "reading a spreadsheet needs the extra `datasets`: pip install 'aisle[datasets]'"
        ) from error
    except Exception as error:  # the reader raises its own kinds; all mean that the sheet is not the known one
        raise DataError(f"Online Retail: the spreadsheet cannot be read: {error}") from error
    missing = [name for name in RAW_SCHEMA if name not in table.columns]
    if missing:
        raise DataError(f"Online Retail: expected the columns {', '.join(RAW_SCHEMA)}; {', '.join(missing)} missing")
    codes = [pl.col(name).str.replace(r"\.0$", "") for name in ("InvoiceNo", "StockCode")]
    return table.with_columns(codes).select(pl.col(name).cast(dtype) for name, dtype in RAW_SCHEMA.items())


DATA_SETS = {
    "online_retail": DataSet(
        name="online_retail",
        summary="A year of a British gift shop: 541,909 invoice lines, about 3,800 products, 4,300 customers.",
        source="UCI Machine Learning Repository, Online Retail (id 352); Chen, Sain and Guo, 2012",
        licence="CC BY 4.0 as stated by its source; not part of Aisle",
        relative_path="online_retail_uci/online_retail.parquet",
        url="https://archive.ics.uci.edu/static/public/352/online+retail.zip",
        num_rows=NUM_RAW_LINES,
        read_download=read_online_retail_archive,
        prepare=prepare_online_retail,
    )
}


def get(name: str) -> DataSet:
    """The data set of this name.

    Raises:
        ConfigError: there is none.
    """
    try:
        return DATA_SETS[name]
    except KeyError:
        raise ConfigError(f"unknown data set {name!r}; expected one of {', '.join(sorted(DATA_SETS))}") from None


def cache_directory() -> Path:
    """Where downloads are kept: ``$XDG_CACHE_HOME/aisle``, or ``~/.cache/aisle``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "aisle"


def places() -> list[Path]:
    """The folders that data is looked for in: ``AISLE_DATA``, then the cache."""
    given = os.environ.get("AISLE_DATA")
    return ([Path(given)] if given else []) + [cache_directory()]


def locate_file(relative_path: str) -> Path | None:
    """The first of :func:`places` that has this file."""
    return next((path for place in places() if (path := place / relative_path).is_file()), None)


def locate(data_set: DataSet) -> Path | None:
    """The raw table where it already lies on this machine, else ``None``."""
    return locate_file(data_set.relative_path)


def find(data_set: DataSet, progress: Progress = silent) -> Path:
    """The raw table of a data set: from ``AISLE_DATA``, then the user's cache, then downloaded into the cache.

    Raises:
        BackendUnavailableError: it is nowhere here and its source cannot be reached or read.
        DataError: what the source gave is not the known data set.
    """
    return locate(data_set) or _fetch(data_set, progress)


def load(data_set: DataSet, progress: Progress = silent) -> Prepared:
    """Find a data set and prepare it as Aisle's items and events."""
    path = find(data_set, progress)
    try:
        raw = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path}: expected a Parquet file, it cannot be read ({error}); remove it and try again"
        ) from error
    progress(f"prepare {data_set.name}", 0, raw.height)
    prepared = data_set.prepare(raw)
    progress(f"prepare {data_set.name}", raw.height, raw.height)
    return prepared


def write_canonical(prepared: Prepared, directory: Path) -> dict[str, Path]:
    """Write ``items.parquet`` and ``events.parquet``, ready for ``aisle import``; returns their paths by kind."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {"items": directory / "items.parquet", "events": directory / "events.parquet"}
    write_parquet(prepared.items, paths["items"])
    write_parquet(prepared.events, paths["events"])
    return paths


def _fetch(data_set: DataSet, progress: Progress) -> Path:
    path = cache_directory() / data_set.relative_path
    content = download(data_set.name, data_set.url, f"connect to a network, or put the table at {path}", progress)
    progress(f"read {data_set.name}", 0, data_set.num_rows)
    table = data_set.read_download(content)
    progress(f"read {data_set.name}", table.height, data_set.num_rows)
    if table.height != data_set.num_rows:
        raise DataError(
            f"data set {data_set.name!r}: expected {data_set.num_rows} lines, received {table.height}; "
            "its source has changed, so Aisle's numbers would not be comparable"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(table, path)
    return path


def download(name: str, url: str, remedy: str, progress: Progress) -> bytes:
    """What the source of a data set gives.

    Raises:
        BackendUnavailableError: it cannot be reached; ``remedy`` is what the message advises.
    """
    try:
        return _download(url, f"download {name}", progress)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise BackendUnavailableError(
            f"data set {name!r} is neither in AISLE_DATA ({os.environ.get('AISLE_DATA') or 'not set'}) nor in "
            f"{cache_directory()}, and {url} cannot be reached ({reason}); {remedy}"
        ) from error


def _download(url: str, stage: str, progress: Progress) -> bytes:
    content = bytearray()
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        while chunk := response.read(_CHUNK_BYTES):
            content += chunk
            progress(stage, len(content), total)
    if total is not None and len(content) != total:
        raise OSError(f"expected {total} bytes, received {len(content)}")
    return bytes(content)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write beside the target and rename, so that an interrupted write leaves no half file under the name."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        frame.write_parquet(partial, compression="zstd")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
