"""Tables in files: the same rows from Parquet and from text, and clear words where there is no table."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from aisle.data import table_files
from aisle.data.table_files import identity, open_table
from aisle.errors import DataError

FRAME = pl.DataFrame(
    {
        "label": [0, 1, 1, 0],
        "count": [3.0, None, -1.0, 2.5],
        "id": ["68fd1e64", "05db9164", None, 'a "quoted", value'],
    }
)
TYPES: dict[str, pl.DataType] = {"id": pl.String(), "label": pl.Float64(), "count": pl.Float64()}


def write(folder: Path, kind: str) -> Path:
    path = folder / f"table.{kind}"
    if kind == "parquet":
        FRAME.write_parquet(path, row_group_size=3)
    else:
        FRAME.write_csv(path, separator={"csv": ",", "tsv": "\t", "txt": ";"}[kind], include_header=kind != "tsv")
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "txt"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    table = open_table(write(tmp_path, kind), label="label", columns=["label", "count", "id"])
    assert list(table.columns) == FRAME.columns
    assert table.num_rows == 4
    found = pl.concat(table.batches(TYPES))
    assert found.columns == list(TYPES)
    assert found.cast(TYPES).equals(FRAME.select(list(TYPES)).cast(TYPES))


def test_a_long_text_comes_in_stretches_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_BLOCK_BYTES", 1 << 10)
    path = tmp_path / "long.csv"
    pl.DataFrame({"label": range(2000)}).write_csv(path)
    batches = list(open_table(path, label="label").batches({"label": pl.Int64()}))
    assert len(batches) > 5
    assert pl.concat(batches)["label"].to_list() == list(range(2000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"0,3,a\n", "expected a header with the label 'label', received '0,3,a'; set data.label .* or data.columns"),
        (b"\x1f\x8b...", "expected a Parquet or text file, received gzip; unpack it first"),
        (b"PAR1 and no more", "cannot be read as Parquet"),
        (b"\xff\xfe\xff", "expected a Parquet or text file"),
        (b"", "expected a header"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_table(path, label="label")


def test_a_text_needs_as_many_names_as_fields(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("0,3\n")
    with pytest.raises(DataError, match=r"expected 3 fields of different names \(label, I1, I2\), received 2"):
        open_table(path, label="label", columns=["label", "I1..I2"])


def test_a_field_that_is_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("label,count\n0,3\n1,many\n")
    table = open_table(path, label="label")
    with pytest.raises(DataError, match=r"x\.csv: cannot be read .*'many'.*; the recipe reads count as Float64"):
        list(table.batches({"count": pl.Float64()}))


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, "parquet"), label="label")
    with pytest.raises(DataError, match="no column 'cuont', did you mean 'count'"):
        list(table.batches({"cuont": pl.Float64()}))


def test_a_file_is_known_by_its_size_time_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(3_000_000))
    first, times = identity(path), path.stat()
    assert identity(path) == first
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert identity(path) != first
    path.write_bytes(bytes(2_999_999) + b"x")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert identity(path) != first, "the last bytes are among those that are read"
