"""The cleaning rules by hand, item versions that never know the future, and known truths of the real file."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable

import polars as pl
import pytest

from aisle.data import datasets
from aisle.data.online_retail import RAW_SCHEMA, Prepared, prepare_online_retail
from aisle.data.title_categories import RULES, category_of
from aisle.errors import DataError

Line = tuple[str, str, str | None, int, str, float, int | None]


def raw_table(*lines: Line) -> pl.DataFrame:
    rows = [
        (invoice, code, title, quantity, dt.datetime.fromisoformat(time), price, customer, "United Kingdom")
        for invoice, code, title, quantity, time, price, customer in lines
    ]
    return pl.DataFrame(rows, schema=RAW_SCHEMA, orient="row")


def versions(prepared: Prepared, item_id: str) -> list[tuple[str, str | None, float]]:
    frame = prepared.items.filter(pl.col("item_id") == item_id)
    return [
        (time.isoformat()[:16], title, price) for time, title, price in frame["updated_at", "title", "price"].rows()
    ]


def test_each_line_is_kept_or_counted_under_the_first_rule_that_drops_it() -> None:
    prepared = prepare_online_retail(
        raw_table(
            ("1", "10001", "MUG", 2, "2011-01-03T10:00", 1.5, 7),
            ("1", "10001", "MUG", 2, "2011-01-03T10:00", 1.5, 7),  # an identical line is a line of its own
            ("2", " 10001a ", "  MUG   RED ", 1, "2011-01-03T11:00", 2.0, None),
            ("C3", "10001", "MUG", -1, "2011-01-04T10:00", 1.5, 7),
            ("C4", "10001", "MUG", -1, "2011-01-04T11:00", 1.5, None),
            ("5", "10001", "damaged", -5, "2011-01-04T12:00", 0.0, None),
            ("6", "10001", None, 5, "2011-01-04T13:00", 0.0, None),
            ("7", "POST", "POSTAGE", 1, "2011-01-04T14:00", 18.0, 7),
            ("C8", "M", "Manual", -1, "2011-01-04T15:00", 18.0, None),
        )
    )
    assert prepared.dropped == {
        "not_a_product": 2,
        "cancellation_without_customer": 1,
        "quantity_not_positive": 1,
        "price_not_positive": 1,
    }
    events = prepared.events.select("type", "user_id", "session_id", "item_id", "quantity", "price", "order_id")
    assert events.rows() == [
        ("purchase", "7", None, "10001", 2.0, 1.5, "1"),
        ("purchase", "7", None, "10001", 2.0, 1.5, "1"),
        ("purchase", None, "2", "10001A", 1.0, 2.0, "2"),
        ("return", "7", None, "10001", 1.0, 1.5, "C3"),
    ]
    assert versions(prepared, "10001A") == [("2011-01-03T11:00", "MUG RED", 2.0)]


def test_a_version_reads_only_lines_before_it_begins() -> None:
    prepared = prepare_online_retail(
        raw_table(
            ("1", "10001", "OLD", 1, "2011-01-03T10:00", 1.0, 7),
            ("2", "10001", "NEW", 1, "2011-01-05T10:00", 2.0, 7),  # one each: the earlier title stays, the price moves
            ("3", "10001", "NEW", 1, "2011-01-10T10:00", 2.0, 7),  # now NEW is the commonest
            ("4", "10001", "NEW", 1, "2011-01-17T10:00", 2.0, 7),  # nothing changed, no version
            ("C5", "10001", "NEW", -1, "2011-01-24T10:00", 9.0, 7),  # a refund is not a price
        )
    )
    assert versions(prepared, "10001") == [
        ("2011-01-03T10:00", "OLD", 1.0),
        ("2011-01-08T00:00", "OLD", 2.0),
        ("2011-01-15T00:00", "NEW", 2.0),
    ]


def test_an_item_that_was_only_brought_back_has_the_refund_as_its_price() -> None:
    prepared = prepare_online_retail(raw_table(("C1", "10001", "MUG", -1, "2011-01-03T10:00", 1.25, 7)))
    assert versions(prepared, "10001") == [("2011-01-03T10:00", "MUG", 1.25)]


def test_items_stand_in_the_order_of_first_sale_and_no_lines_give_no_rows() -> None:
    lines = raw_table(
        ("2", "20000", "LATER", 1, "2011-01-04T10:00", 1.0, 7),
        ("1", "30000", "FIRST", 1, "2011-01-03T10:00", 1.0, 7),
        ("2", "10000", "LAST", 1, "2011-01-04T10:00", 1.0, 7),
    )
    assert prepare_online_retail(lines).items["item_id"].to_list() == ["30000", "20000", "10000"]
    empty = prepare_online_retail(lines.clear())
    assert (empty.items.height, empty.events.height, sum(empty.dropped.values())) == (0, 0, 0)
    assert empty.items.schema == prepare_online_retail(lines).items.schema


def test_a_table_without_a_column_or_of_another_type_is_refused() -> None:
    table = raw_table(("1", "10001", "MUG", 2, "2011-01-03T10:00", 1.5, 7))
    with pytest.raises(DataError, match="UnitPrice missing"):
        prepare_online_retail(table.drop("UnitPrice"))
    with pytest.raises(DataError, match="not of the expected type"):
        prepare_online_retail(table.with_columns(Quantity=pl.lit("many")))


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("RED RETROSPOT CHARLOTTE BAG", ["Bags", "Shopping bags"]),
        ("SET OF 3 CAKE TINS PANTRY DESIGN", ["Baking", "Cake"]),
        ("REGENCY CAKESTAND 3 TIER", ["Baking", "Cake"]),
        ("60 CAKE CASES VINTAGE CHRISTMAS", ["Seasonal", "Christmas"]),
        ("WHITE HANGING HEART T-LIGHT HOLDER", ["Candles and lighting", "T-light holders"]),
        ("CHARGER", ["Other"]),
        (None, ["Other"]),
    ],
)
def test_categories_by_keyword(title: str | None, category: list[str]) -> None:
    assert category_of(title) == category


def test_no_keyword_is_hidden_by_an_earlier_rule() -> None:
    hidden = [
        keyword
        for _, specific, keywords in RULES
        for keyword in keywords.split()
        if category_of(keyword.rstrip("*"))[1:] != [specific]
    ]
    assert hidden == []


@pytest.fixture(scope="module")
def real_table() -> pl.DataFrame:
    data_set = datasets.get("online_retail")
    path = datasets.locate(data_set)
    if path is None:
        message = "Online Retail is neither in AISLE_DATA nor in the user's cache"
        if os.environ.get("AISLE_DATA"):
            pytest.fail(message)
        pytest.skip(message)
    return pl.read_parquet(path)


@pytest.fixture(scope="module")
def real(real_table: pl.DataFrame) -> Prepared:
    return prepare_online_retail(real_table)


CUT = dt.datetime(2011, 11, 12)


@pytest.mark.data
def test_known_truths_of_the_real_file(real: Prepared, real_table: pl.DataFrame) -> None:
    assert real_table.height == 541_909
    assert sum(real.dropped.values()) + real.events.height == 541_909
    assert real.dropped == {
        "not_a_product": 2995,
        "cancellation_without_customer": 165,
        "quantity_not_positive": 1324,
        "price_not_positive": 1161,
    }
    known = real.events.filter(pl.col("type") == "purchase", pl.col("user_id").is_not_null())
    before = known.filter(pl.col("timestamp") < CUT.replace(tzinfo=dt.UTC))
    assert known.height == 396_337
    assert before["item_id"].n_unique() == 3_625
    assert before["user_id"].n_unique() == 4_108
    assert before["order_id"].n_unique() == 15_948
    assert real.events.filter(type="return")["user_id"].null_count() == 0


@pytest.mark.data
@pytest.mark.parametrize(
    "change",
    [
        lambda table, late: table.filter(~late),
        lambda table, late: table.with_columns(
            Description=pl.when(late).then(pl.lit("CHANGED")).otherwise("Description"),
            UnitPrice=pl.when(late).then(99.0).otherwise("UnitPrice"),
        ),
    ],
    ids=["later lines removed", "later lines changed"],
)
def test_later_lines_change_no_earlier_version(
    real: Prepared, real_table: pl.DataFrame, change: Callable[[pl.DataFrame, pl.Expr], pl.DataFrame]
) -> None:
    changed = prepare_online_retail(change(real_table, pl.col("InvoiceDate") >= CUT))
    as_of = pl.col("updated_at") <= CUT.replace(tzinfo=dt.UTC)
    assert real.items.filter(as_of).equals(changed.items.filter(as_of))
    assert not real.items.filter(~as_of).equals(changed.items.filter(~as_of))
