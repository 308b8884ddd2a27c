"""Where named data sets are looked for, and the download: a spreadsheet in a zip, from a server on loopback."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from aisle.data import datasets
from aisle.data.datasets import DataSet
from aisle.data.online_retail import RAW_SCHEMA
from aisle.errors import BackendUnavailableError, ConfigError, DataError

ROWS = [
    (536365, "85123A", "WHITE HOLDER", 6, dt.datetime(2010, 12, 1, 8, 26), 2.55, 17850, "United Kingdom"),
    (536365, 71053, "WHITE METAL LANTERN", 6, dt.datetime(2010, 12, 1, 8, 26), 3.39, 17850, "United Kingdom"),
    ("C536379", "D", "Discount", -1, dt.datetime(2010, 12, 1, 9, 41), 27.5, None, "France"),
    (536414, 22139, None, 56, dt.datetime(2010, 12, 1, 11, 52), 0, None, "United Kingdom"),
]


def archive(rows: list[tuple[object, ...]] = ROWS, header: tuple[str, ...] = tuple(RAW_SCHEMA)) -> bytes:
    workbook_bytes = io.BytesIO()
    workbook = xlsxwriter.Workbook(workbook_bytes, {"in_memory": True})
    sheet = workbook.add_worksheet("Online Retail")
    date_format = workbook.add_format({"num_format": "m/d/yy h:mm"})
    for row, values in enumerate([header, *rows]):
        for column, value in enumerate(values):
            if isinstance(value, dt.datetime):
                sheet.write_datetime(row, column, value, date_format)
            else:
                sheet.write(row, column, value)
    workbook.close()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr("Online Retail.xlsx", workbook_bytes.getvalue())
    return packed.getvalue()


@contextmanager
def served(content: bytes, declared_length: int | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) if declared_length is None else declared_length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/online+retail.zip"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("AISLE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "aisle"


def small_data_set(url: str, num_rows: int = len(ROWS)) -> DataSet:
    return dataclasses.replace(datasets.get("online_retail"), url=url, num_rows=num_rows)


def test_a_download_is_parsed_checked_and_kept(cache: Path) -> None:
    calls: list[tuple[str, int, int | None]] = []
    content = archive()
    with served(content) as url:
        path = datasets.find(small_data_set(url), lambda *call: calls.append(call))
    assert path == cache / "online_retail_uci" / "online_retail.parquet"
    table = pl.read_parquet(path)
    assert table.schema == pl.Schema(RAW_SCHEMA)
    expected = [(str(row[0]), str(row[1]), *row[2:]) for row in ROWS]
    assert table.rows() == expected
    assert ("download online_retail", len(content), len(content)) in calls
    assert calls[-1] == ("read online_retail", 4, 4)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    # The second time nothing is asked of the network: the server is gone.
    assert datasets.find(small_data_set("http://127.0.0.1:9/")) == path
    prepared = datasets.load(small_data_set("http://127.0.0.1:9/"))
    assert prepared.events["item_id"].to_list() == ["85123A", "71053"]
    assert prepared.dropped["not_a_product"] == 1


def test_the_given_directory_comes_before_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_set = small_data_set("http://127.0.0.1:9/")
    for place in (cache, tmp_path / "given"):
        (place / data_set.relative_path).parent.mkdir(parents=True)
        (place / data_set.relative_path).touch()
    assert datasets.find(data_set) == cache / data_set.relative_path
    monkeypatch.setenv("AISLE_DATA", str(tmp_path / "given"))
    assert datasets.find(data_set) == tmp_path / "given" / data_set.relative_path


def test_without_a_network_the_error_says_where_it_looked_and_what_to_do(cache: Path) -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        datasets.find(small_data_set("http://127.0.0.1:9/online+retail.zip"))
    message = str(caught.value)
    assert "AISLE_DATA (not set)" in message
    assert str(cache) in message
    assert "cannot be reached" in message
    assert str(cache / "online_retail_uci" / "online_retail.parquet") in message


@pytest.mark.parametrize(
    ("content", "num_rows", "message"),
    [
        (archive(), 5, "expected 5 lines, received 4"),
        (b"<html>maintenance</html>", 4, "not a zip archive"),
        (archive(header=("InvoiceNo", "Code", *list(RAW_SCHEMA)[2:])), 4, "'StockCode'"),
        (archive(header=(*list(RAW_SCHEMA)[:3], "Units", *list(RAW_SCHEMA)[4:])), 4, "Quantity missing"),
    ],
    ids=["another number of lines", "not a zip", "no code", "no quantity"],
)
def test_a_download_that_is_not_the_data_set_is_refused_and_not_kept(
    cache: Path, content: bytes, num_rows: int, message: str
) -> None:
    with served(content) as url, pytest.raises(DataError, match=message):
        datasets.find(small_data_set(url, num_rows))
    assert not list(cache.rglob("*.parquet*"))


def test_a_download_cut_short_is_not_kept(cache: Path) -> None:
    content = archive()
    with (
        served(content, declared_length=len(content) + 1) as url,
        pytest.raises(BackendUnavailableError, match="bytes"),
    ):
        datasets.find(small_data_set(url))
    assert not list(cache.rglob("*.parquet*"))


def test_a_damaged_file_and_an_unknown_name_are_named(cache: Path) -> None:
    data_set = small_data_set("http://127.0.0.1:9/")
    path = cache / data_set.relative_path
    path.parent.mkdir(parents=True)
    path.write_text("not parquet")
    with pytest.raises(DataError, match=r"online_retail\.parquet: expected a Parquet file"):
        datasets.load(data_set)
    with pytest.raises(ConfigError, match="unknown data set 'online'; expected one of online_retail"):
        datasets.get("online")


def test_canonical_files(cache: Path, tmp_path: Path) -> None:
    with served(archive()) as url:
        prepared = datasets.load(small_data_set(url))
    paths = datasets.write_canonical(prepared, tmp_path / "out")
    assert {kind: path.name for kind, path in paths.items()} == {"items": "items.parquet", "events": "events.parquet"}
    assert pl.read_parquet(paths["items"]).equals(prepared.items)
    assert pl.read_parquet(paths["events"]).equals(prepared.events)
