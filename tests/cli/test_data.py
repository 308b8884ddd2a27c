"""aisle data: the list, canonical files, every dropped line counted, and pure JSON."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from aisle.cli.entry import run
from aisle.data.online_retail import RAW_SCHEMA


@pytest.fixture
def small_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "data" / "online_retail_uci" / "online_retail.parquet"
    path.parent.mkdir(parents=True)
    time = dt.datetime(2011, 1, 3, 10)
    rows = [
        ("1", "10001", "RED MUG", 2, time, 1.5, 7, "France"),
        ("C2", "10001", "RED MUG", -1, time, 1.5, 7, "France"),
        ("3", "POST", "POSTAGE", 1, time, 18.0, 7, "France"),
    ]
    pl.DataFrame(rows, schema=RAW_SCHEMA, orient="row").write_parquet(path)
    monkeypatch.setenv("AISLE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def test_list(small_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["data_sets"]
    assert [(one["name"], one["kind"], one["path"]) for one in listed] == [
        ("online_retail", "events", str(small_data)),
        ("criteo_sample", "table", None),
        ("movielens_1m", "table", None),
        ("movielens_1m_histories", "table", None),
    ]
    small_data.unlink()
    assert run(["data", "list"]) == 0
    assert capsys.readouterr().out.count("to be had by aisle data get") == 4


def test_get_of_a_table_says_where_it_lies_and_what_trains_on_it(
    small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = small_data.parents[1] / "criteo_kaggle" / "criteo_blocks_00_72.parquet"
    assert run(["data", "get", "criteo_sample"]) == 1
    assert "train.txt" in capsys.readouterr().err
    table.parent.mkdir()
    pl.DataFrame({"label": [0, 1]}).write_parquet(table)
    assert run(["data", "get", "criteo_sample"]) == 0
    told = capsys.readouterr().out
    assert "no redistribution" in told and f"aisle train criteo --set data.train={table}" in told
    assert run(["data", "get", "criteo_sample", "-o", str(tmp_path / "out"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    copied = tmp_path / "out" / table.name
    assert report == {"name": "criteo_sample", "files": {"table": str(copied)}, "rows": 2}
    assert pl.read_parquet(copied)["label"].to_list() == [0, 1]


@pytest.mark.usefixtures("small_data")
def test_get_writes_files_and_counts_what_it_leaves_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "get", "online_retail", "-o", str(tmp_path / "out"), "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["dropped"] == {
        "not_a_product": 1,
        "cancellation_without_customer": 0,
        "quantity_not_positive": 0,
        "price_not_positive": 0,
    }
    assert report["events_by_type"] == {"purchase": 1, "return": 1}
    assert (report["items"], report["item_versions"], report["events"]) == (1, 1, 2)
    assert pl.read_parquet(report["files"]["events"])["type"].to_list() == ["purchase", "return"]
    assert "prepare online_retail: 3 of 3 (100 %)" in captured.err


@pytest.mark.usefixtures("small_data")
def test_get_for_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["data", "get", "online_retail"]) == 0
    out = capsys.readouterr().out
    assert "left out, not_a_product: 1" in out
    assert "aisle -C my-shop import events online_retail/events.parquet" in out
    assert (tmp_path / "online_retail" / "items.parquet").is_file()


def test_an_unknown_data_set_is_one_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "get", "nothing", "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    known = "online_retail, criteo_sample, movielens_1m, movielens_1m_histories"
    assert captured.err == f"Error: unknown data set 'nothing'; expected one of {known}\n"


def test_simulate_is_the_same_for_the_same_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = []
    for name in ("one", "two"):
        arguments = ["--users", "30", "--items", "40", "--days", "20", "--seed", "3", "-o", str(tmp_path / name)]
        assert run(["data", "simulate", *arguments, "--json"]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "events.parquet",
        "items.parquet",
        "truth-items.parquet",
        "truth-shown.parquet",
        "truth-users.parquet",
        "truth.json",
    ]
    for kind in ("items", "events", "truth_users", "truth_items", "truth_shown"):
        assert pl.read_parquet(reports[0]["files"][kind]).equals(pl.read_parquet(reports[1]["files"][kind]))
    truth = json.loads((tmp_path / "one" / "truth.json").read_text())
    assert truth["complements"]
    assert reports[0]["events"] == sum(reports[0]["events_by_type"].values()) > 0


def test_simulate_says_that_it_claims_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "simulate", "--users", "5", "--items", "20", "--days", "5", "-o", str(tmp_path)]) == 0
    assert "nothing in it is a claim" in capsys.readouterr().out
    assert run(["data", "simulate", "--users", "0", "-o", str(tmp_path)]) == 2
