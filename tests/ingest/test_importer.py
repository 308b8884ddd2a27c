"""Files into the store: every format, every kind of bad row, once and twice, stopped and resumed."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import zstandard

from aisle.errors import ConfigError, DataError
from aisle.ingest import FieldMap, FileReport, Kind, importer
from aisle.store import SqlStore, Store

HOUR = 3_600_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(tmp_path / "aisle.db")
    yield store
    store.close()


@pytest.fixture
def run(store: SqlStore, tmp_path: Path) -> Callable[..., FileReport]:
    """Imports one file of events (or another kind) and gives its report."""

    def run(path: Path, kind: Kind = "events", rules: tuple[str, ...] = (), **options: Any) -> FileReport:
        mapping = FieldMap.parse(kind, rules)
        report = importer.import_files(store, tmp_path / "imports", kind, [path], mapping=mapping, **options)
        return report.files[0]

    return run


def sales(num_rows: int = 10) -> pl.DataFrame:
    """Purchases an hour apart; rows 3 and 4 are alike, and so are the first and the last."""
    hours = list(range(num_rows))
    hours[4], hours[-1] = hours[3], hours[0]
    return pl.DataFrame(
        {
            "type": ["purchase"] * num_rows,
            "user_id": [f"u{hour % 3}" for hour in hours],
            "item_id": [f"i{hour % 5}" for hour in hours],
            "timestamp": [1_300_000_000_000 + hour * HOUR for hour in hours],
            "quantity": [float(hour) for hour in hours],
            "order_id": [f"o{hour}" for hour in hours],
        }
    )


def rows_of(store: Store) -> list[tuple[Any, ...]]:
    """All events, whatever the order in which they were committed."""
    frames = [*store.scan_events()]
    items, users = store.ids("item"), store.ids("user")
    if not frames:
        return []
    whole = pl.concat(frames).drop("seq")
    return sorted(
        (row["type"], users[row["user_row"]], items[row["item_row"]], row["time_ms"], row["quantity"], row["order_id"])
        for row in whole.to_dicts()
    )


def expected(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(frame.select("type", "user_id", "item_id", "timestamp", "quantity", "order_id").rows())


def rejects_of(report: FileReport) -> list[dict[str, Any]]:
    assert report.rejects_file is not None
    return [orjson.loads(line) for line in Path(report.rejects_file).read_bytes().splitlines()]


def write(frame: pl.DataFrame, path: Path) -> Path:
    """A frame as the kind of file that the name says."""
    plain = path.with_suffix("") if path.suffix in (".gz", ".zst") else path
    if plain.suffix == ".parquet":
        frame.write_parquet(plain)
    elif plain.suffix == ".csv":
        frame.write_csv(plain)
    elif plain.suffix == ".tsv":
        frame.write_csv(plain, separator="\t")
    else:
        frame.write_ndjson(plain)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.compress(plain.read_bytes()))
    return path


NAMES = ["e.csv", "e.tsv", "e.jsonl", "e.parquet", "e.csv.gz", "e.csv.zst", "e.jsonl.gz", "e.jsonl.zst"]
NAMES += ["e.parquet.gz", "e.parquet.zst"]


@pytest.mark.parametrize("name", NAMES)
def test_every_format_twice(name: str, tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    path = write(sales(), tmp_path / name)
    report = run(path)
    assert (report.rows, report.accepted, report.duplicates, report.rejected) == (10, 10, 0, 0)
    assert rows_of(store) == expected(sales()), "identical lines are all kept"
    again = run(path)
    assert (again.rows, again.accepted, again.duplicates, again.already_imported) == (10, 0, 10, True)
    assert again.rows_read == 0
    assert store.num_events() == 10
    assert not list((tmp_path / "imports").iterdir()), "nothing is left behind"


def test_all_formats_mean_the_same_events(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    run(write(sales(), tmp_path / NAMES[0]))
    for name in NAMES[1:4]:
        report = run(write(sales(), tmp_path / name))
        assert (report.accepted, report.duplicates) == (0, 10)
    longer = run(write(sales(12), tmp_path / "longer.csv"))
    assert longer.accepted == 2, "hours 9 and 10 are new, the last row is the first one again as before"


def test_two_workspaces_each_take_the_files_once(tmp_path: Path) -> None:
    first, second = write(sales(), tmp_path / "a.csv"), write(sales(200), tmp_path / "b.parquet")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shop = SqlStore(tmp_path / name / "aisle.db")
        imported = importer.import_files(shop, tmp_path / name / "imports", "events", [first, second]).as_dict()
        repeated = importer.import_files(shop, tmp_path / name / "imports", "events", [first, second]).as_dict()
        shop.close()
        assert imported["rows"] == 210
        assert imported["accepted"] + imported["duplicates"] == 210
        assert (repeated["accepted"], repeated["duplicates"]) == (0, 210)


def test_bad_rows_of_every_kind_in_csv(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    path = tmp_path / "bad.csv"
    lines = [
        b"\xef\xbb\xbftype,user_id,item_id,timestamp,quantity",  # 1: with a byte order mark
        b"view,u1,a,2011-12-09T12:50:00Z,1",  # 2
        b"view,u1,a",  # 3: too short
        b"view,u1,a,2011-12-09T12:50:00Z,1,9",  # 4: too long
        b'view,u1,"a\nb",2011-12-09T12:50:00Z,1',  # 5 and 6: a line break in an id
        b'view,u1,"a,2011-12-09T12:50:00Z,1',  # 7: a quote that does not end
        b"view,u2,b,2011-12-09T12:51:00Z,1",  # 8: must not be lost to it
        b"view,u1,\xff\xfe,2011-12-09T12:50:00Z,1",  # 9: not UTF-8
        b"",  # 10: an empty line is no row
        b"view,,a,2011-12-09T12:50:00Z,1",  # 11: nobody
        b"view,u1,,2011-12-09T12:50:00Z,1",  # 12: nothing
        b"view,u1,a,,1",  # 13: no time
        b"view,u1,a,soon,1",  # 14
        b"view,u1,a,2011-12-09T12:50:00Z,many",  # 15
        b"view,u1,a,2011-12-09T12:50:00Z,-1",  # 16
        b'View!,u1,a,2011-12-09T12:50:00Z,"1"',  # 17
        b'view,u1,"a ""quoted"" b",2011-12-09T12:50:00,1',  # 18: good, without a zone
        b"view,u1," + b"x" * 300 + b",2011-12-09T12:50:00Z,1",  # 19
        b'view,u1,"a"b,2011-12-09T12:50:00Z,1',  # 20: text after a quote
        b"view,u3,c,2011-12-09T12:52:00Z,",  # 21: good, without a line end
    ]
    path.write_bytes(b"\n".join(lines))
    report = run(path)
    assert report.accepted == 4
    assert (report.rows, report.rejected, report.naive_times) == (18, 14, 1)
    assert [(bad["line"], bad["reason"]) for bad in rejects_of(report)] == [
        (3, "another number of fields than the header"),
        (4, "another number of fields than the header"),
        (5, "item_id: not of the expected form"),
        (7, "the quotes are wrong"),
        (9, "not UTF-8"),
        (11, "expected user_id or session_id, received neither"),
        (12, "expected exactly one of item_id and items"),
        (13, "timestamp: missing"),
        (14, "timestamp: not a time"),
        (15, "quantity: not a number"),
        (16, "quantity: too small"),
        (17, "type: not of the expected form"),
        (19, "item_id: too long"),
        (20, "the quotes are wrong"),
    ]
    assert rejects_of(report)[0]["row"] == "view,u1,a"
    assert rejects_of(report)[5]["row"]["item_id"] == "a"
    assert report.reasons["another number of fields than the header"] == 2
    assert {row[2] for row in rows_of(store)} == {"a", "b", 'a "quoted" b', "c"}


def test_bad_rows_of_every_kind_in_json_lines(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    good = {"type": "view", "user_id": 7, "item_id": "a", "timestamp": 1323435000}
    lines = [
        json.dumps(good),
        "{",
        "[1]",
        "",
        json.dumps(good | {"items": ["a"]}),
        json.dumps(good | {"timestamp": True}),
        json.dumps(good | {"context": {"a": 1}, "unknown": 1, "item_id": "b"}),
        json.dumps({name: good[name] for name in ("type", "user_id", "item_id")}),
        json.dumps(good | {"item_id": None, "items": ["x", "y"]}),
        json.dumps(good | {"item_id": ["a"]}),
        json.dumps(good | {"context": {"big": 10**30}}),
    ]
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(lines))
    report = run(path)
    assert (report.rows, report.accepted, report.rejected) == (10, 4, 6)
    assert [(bad["line"], bad["reason"]) for bad in rejects_of(report)] == [
        (2, "not JSON"),
        (3, "not a JSON object"),
        (5, "expected exactly one of item_id and items"),
        (6, "timestamp: not a time"),
        (8, "timestamp: missing"),
        (10, "item_id: not a text"),
    ]
    assert rejects_of(report)[0]["row"] == "{"
    assert rejects_of(report)[2]["row"] == good | {"items": ["a"]}
    assert {row[2] for row in rows_of(store)} == {"a", "b", "x", "y"}
    assert {row[1] for row in rows_of(store)} == {"7"}


def test_bad_rows_in_parquet(tmp_path: Path, run: Callable[..., FileReport]) -> None:
    frame = sales(6).with_columns(
        user_id=pl.Series(["u", None, "u", "u", "u", "u"]),
        quantity=pl.Series([1.0, 1.0, -1.0, float("nan"), None, 1e300]),
    )
    report = run(write(frame, tmp_path / "bad.parquet"))
    assert report.accepted == 3
    assert [(bad["line"], bad["reason"]) for bad in rejects_of(report)] == [
        (2, "expected user_id or session_id, received neither"),
        (3, "quantity: too small"),
        (6, "quantity: too large"),
    ]
    assert rejects_of(report)[0]["row"]["item_id"] == "i1"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", b"", "a header with the names"),
        ("e.csv", b"\xff\xfet\x00", "expected UTF-8"),
        ("e.csv", b"type,type\n", "'type' more than once"),
        ("e.csv", b"what,who\n1,2\n", "expected a column for type"),
        ("e.parquet", b"PAR1 no", "as Parquet"),
        ("e.csv.gz", b"no gzip", "damaged"),
        ("e.csv.zst", b"no zstd", "damaged"),
        ("e.parquet.gz", b"no gzip", "damaged"),
        ("e.xlsx", b"", "expected a file that ends in"),
    ],
)
def test_files_that_cannot_be_read(
    name: str, content: bytes, message: str, tmp_path: Path, run: Callable[..., FileReport]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((ConfigError, DataError), match=message):
        run(path)


def test_a_file_cut_off_keeps_what_came_before(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    path = write(sales(20_000), tmp_path / "e.csv.gz")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match="damaged or cut off"):
        run(path)
    assert 10_000 < store.num_events() < 20_000


def test_mapping(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("customer;sku;at;type\n1;a;2011-12-09;ignored\n")
    report = run(path, rules=("user_id=customer", "item_id=sku", "timestamp=at", "type:=purchase", "quantity:=2"))
    assert report.accepted == 1
    assert rows_of(store)[0][:5] == ("purchase", "1", "a", 1323388800000, 2.0)
    other = run(path, rules=("user_id=customer", "item_id=sku", "timestamp=at", "type:=view"))
    assert other.accepted == 1, "another mapping is another import"
    lines = tmp_path / "shop.jsonl"
    lines.write_text('{"customer": 1, "sku": "a", "at": "2011-12-09"}\n')
    again = run(lines, rules=("user_id=customer", "item_id=sku", "timestamp=at", "type:=purchase", "quantity:=2"))
    assert (again.accepted, again.duplicates) == (0, 1)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("user_id", "field=column"),
        ("=x", "field=column"),
        ("user_id=", "field=column"),
        ("usr_id=x", "did you mean 'user_id'"),
        ("user_id=nope", "expected a column 'nope'"),
    ],
)
def test_wrong_mappings(rule: str, message: str, tmp_path: Path, run: Callable[..., FileReport]) -> None:
    with pytest.raises(ConfigError, match=message):
        run(write(sales(), tmp_path / "e.csv"), rules=(rule,))
    with pytest.raises(ConfigError, match="mapped twice"):
        run(write(sales(), tmp_path / "e.csv"), rules=("user_id=type", "user_id:=x"))


def test_items_and_users(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    items = tmp_path / "items.csv"
    items.write_text(
        "item_id,title,category,price,available,attributes,updated_at\n"
        'a,Tee,Clothes > Shirts,9.5,false,"{""colour"": ""red""}",2011-01-01\n'
        'b,Mug,"[""Home""]",,,,\n'
        "c,Pen,Office|Pens,1,perhaps,,\n"
        ",No id,,,,,\n"
    )
    report = run(items, "items")
    assert (report.accepted, report.rejected, report.naive_times) == (2, 2, 1)
    assert report.reasons == {"available: not true or false": 1, "item_id: missing": 1}
    tee, mug = store.get_item("a"), store.get_item("b")
    assert tee is not None and mug is not None
    assert (tee.category, tee.available, tee.attributes) == (["Clothes", "Shirts"], False, {"colour": "red"})
    assert (mug.category, mug.available, mug.price) == (["Home"], True, None)
    assert store.catalogue_as_of(0)["item_id"].to_list() == ["b"], "a first record without a date holds since ever"

    frame = pl.DataFrame({"item_id": [1, 2], "category": [["x", "y"], []], "created_at": [None, 86_400]})
    assert run(write(frame, tmp_path / "items.parquet"), "items").accepted == 2
    users = tmp_path / "users.jsonl"
    users.write_text('{"user_id": "u1", "attributes": {"tier": "gold"}}\n{"user_id": ""}\n')
    report = run(users, "users")
    assert (report.accepted, report.rejected) == (1, 1)
    user = store.get_user("u1")
    assert user is not None and user.attributes == {"tier": "gold"}


def test_list_events(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    frame = pl.DataFrame(
        {
            "type": ["view"] * 3,
            "session_id": ["s"] * 3,
            "items": [["a", "b"], ["c"], ["a", "b"]],
            "timestamp": [5, 5, 5],
        }
    )
    report = run(write(frame, tmp_path / "e.parquet"))
    assert (report.accepted, store.num_events()) == (3, 3)
    assert store.history(None, "s", 10).item_ids == ["a", "b", "c", "a", "b"]
    assert run(write(frame, tmp_path / "e.jsonl")).duplicates == 3


def test_given_event_ids_decide(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    frame = sales(6).with_columns(event_id=pl.Series(["1", "2", "2", None, None, ""]))
    report = run(write(frame, tmp_path / "e.parquet"))
    assert (report.accepted, report.duplicates) == (5, 1)
    assert run(write(frame, tmp_path / "e.csv")).accepted == 0


# ---- stopped and resumed


class Killed(BaseException):
    """Stands for the end of the process."""


def killed_after(store: Store, monkeypatch: pytest.MonkeyPatch, num_writes: int, *, is_committed: bool) -> None:
    """Let the store's process end at one of its writes, before or after the commit."""
    original = store.write_events
    calls = iter(range(1000))

    def write_events(*arguments: Any) -> Any:
        is_last = next(calls) == num_writes
        if is_last and not is_committed:
            raise Killed
        result = original(*arguments)
        if is_last:
            raise Killed
        return result

    monkeypatch.setattr(store, "write_events", write_events)


@pytest.mark.parametrize(
    ("name", "num_writes"),
    # What a decompressor gives out at once is more than a chunk of so small a file.
    [("e.csv", 12), ("e.jsonl", 12), ("e.parquet", 12), ("e.csv.gz", 12), ("e.jsonl.zst", 1)],
)
@pytest.mark.parametrize("is_committed", [True, False])
def test_a_kill_at_half_reads_little_again(
    name: str,
    num_writes: int,
    is_committed: bool,
    tmp_path: Path,
    store: SqlStore,
    run: Callable[..., FileReport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = sales(5000)
    path = write(frame, tmp_path / name)
    with monkeypatch.context() as patch:
        killed_after(store, patch, num_writes, is_committed=is_committed)
        with pytest.raises(Killed):
            run(path)
    committed = store.num_events()
    assert 0 < committed < 5000
    report = run(path)
    assert report.resumed_at == committed
    assert report.rows_read == 5000 - committed, "nothing that was committed is taken again"
    assert (report.rows, report.accepted, report.duplicates) == (5000, 5000, 0)
    assert rows_of(store) == expected(frame)
    if num_writes == 12:
        assert committed / (12 + is_committed) <= 0.05 * 5000, "a chunk is all that a kill can cost"


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize("num_writes", range(4))
def test_identical_rows_on_both_sides_of_a_border(
    num_writes: int,
    is_committed: bool,
    tmp_path: Path,
    store: SqlStore,
    run: Callable[..., FileReport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 400 rows in chunks of 100: one row fills a chunk and more, another lies on each side of every border.
    alike = {"type": "purchase", "user_id": "u", "item_id": "a", "timestamp": 1_300_000_000_000, "quantity": 1.0}
    rows = [
        alike | {"order_id": "big" if row < 150 else "border" if row % 100 in (99, 0) else str(row)}
        for row in range(400)
    ]
    frame = pl.DataFrame(rows)
    path = write(frame, tmp_path / "e.parquet")
    with monkeypatch.context() as patch:
        killed_after(store, patch, num_writes, is_committed=is_committed)
        with pytest.raises(Killed):
            run(path)
    report = run(path)
    assert (report.accepted, report.duplicates) == (400, 0)
    assert rows_of(store) == expected(frame)
    copy = run(write(frame, tmp_path / "copy.csv"))
    assert (copy.accepted, copy.duplicates) == (0, 400), "another file with the same rows has the same ids"


def test_rejects_and_counters_are_exact_after_a_kill(
    tmp_path: Path, store: SqlStore, run: Callable[..., FileReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = sales(1000).with_columns(quantity=pl.when(pl.int_range(1000) % 10 == 0).then(-1.0).otherwise(1.0))
    path = write(frame, tmp_path / "e.csv")
    for num_writes in (2, 0, 3):
        with monkeypatch.context() as patch:
            killed_after(store, patch, num_writes, is_committed=False)
            with pytest.raises(Killed):
                run(path)
    report = run(path)
    assert (report.rows, report.accepted, report.rejected) == (1000, 900, 100)
    assert report.reasons == {"quantity: too small": 100}
    assert [bad["line"] for bad in rejects_of(report)] == list(range(2, 1002, 10))


def test_max_errors_stops_and_goes_on(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    frame = sales(1000).with_columns(quantity=pl.when(pl.int_range(1000) % 100 == 0).then(-1.0).otherwise(1.0))
    path = write(frame, tmp_path / "e.parquet")
    with pytest.raises(
        DataError, match=r"expected at most 4 rejected rows, found 5 .*quantity: too small \(5\)"
    ) as error:
        run(path, max_errors=4)
    assert "--max-errors" in str(error.value) and "495 records" in str(error.value)
    assert store.num_events() == 495
    with pytest.raises(DataError, match="found 5"):
        run(path, max_errors=4)
    report = run(path, max_errors=10)
    assert (report.resumed_at, report.accepted, report.rejected) == (500, 990, 10)
    assert run(path, max_errors=0).already_imported


def test_two_at_once(tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]) -> None:
    same, other = write(sales(3000), tmp_path / "a.parquet"), write(sales(4000), tmp_path / "b.parquet")
    second_store = SqlStore(tmp_path / "aisle.db")
    reports: list[FileReport] = []

    def import_with(shop: Store, path: Path) -> None:
        reports.extend(importer.import_files(shop, tmp_path / "imports", "events", [path]).files)

    jobs = [(store, same), (second_store, same), (second_store, other), (store, other)]
    threads = [threading.Thread(target=import_with, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second_store.close()
    assert len(reports) == 4
    assert sum(report.accepted for report in reports) == store.num_events()
    union = {*range(4000)}
    rows = rows_of(store)
    assert len({row[5] for row in rows}) == len(union) - 2
    assert sum(report.already_imported for report in reports) == 2


def test_progress_reaches_the_end(tmp_path: Path, run: Callable[..., FileReport]) -> None:
    seen: list[tuple[str, int, int | None]] = []
    for name in ("e.csv", "e.parquet", "e.jsonl.gz"):
        seen.clear()
        run(write(sales(1000), tmp_path / name), progress=lambda *step: seen.append(step))
        assert len(seen) >= 2 or name.endswith("gz")
        assert seen[-1][0] == name
        assert seen[-1][1] == seen[-1][2]
        assert [step[1] for step in seen] == sorted(step[1] for step in seen)


def test_a_catalogue_file_brings_an_earlier_state_back(
    tmp_path: Path, store: SqlStore, run: Callable[..., FileReport]
) -> None:
    regular = write(pl.DataFrame({"item_id": ["i"], "price": [5.0]}), tmp_path / "regular.csv")
    sale = write(pl.DataFrame({"item_id": ["i"], "price": [3.0]}), tmp_path / "sale.csv")
    for path, price in ((regular, 5.0), (sale, 3.0), (regular, 5.0)):
        assert run(path, "items").accepted == 1
        item = store.get_item("i")
        assert item is not None and item.price == price
    assert run(regular, "items").accepted == 0, "nothing new"
