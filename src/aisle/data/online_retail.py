"""UCI Online Retail as Aisle's items and events: the cleaning rules, and item versions that never know the future.

Source: UCI Machine Learning Repository, "Online Retail" (id 352); Chen, Sain and Guo, "Data mining for the online
retail industry", Journal of Database Marketing 19(3), 2012. The shop's local times are taken as UTC.

The rules, in their order; a line is counted under the first one that drops it:

1. ``not_a_product``: the stock code does not start with five digits (postage, fees, samples, adjustments).
2. ``cancellation_without_customer``: the invoice is a cancellation (``C...``) and nobody is known to have returned it.
3. ``quantity_not_positive``: a stock correction, not a sale.
4. ``price_not_positive``: a gift, a loss or a note of the warehouse.

What is kept: sales become ``purchase`` events (without a customer, the invoice is the session), cancellations of known
customers become ``return`` events. Identical lines are all kept: they are lines of a real invoice.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from aisle.data.title_categories import category_of
from aisle.errors import DataError

#: The columns of the public file, as they are named there.
RAW_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "InvoiceNo": pl.String,
    "StockCode": pl.String,
    "Description": pl.String,
    "Quantity": pl.Int32,
    "InvoiceDate": pl.Datetime("us"),
    "UnitPrice": pl.Float64,
    "CustomerID": pl.Int32,
    "Country": pl.String,
}
NUM_RAW_LINES = 541_909

#: Catalogue versions begin at week's ends. The shop sells nothing on Saturdays, so its week ends on Friday night.
WEEK_MS = 7 * 86_400_000
SATURDAY_MS = 2 * 86_400_000  # 1970-01-03T00:00Z was a Saturday

_TIME = pl.Datetime("ms", "UTC")


@dataclass(frozen=True)
class Prepared:
    """A data set in Aisle's own fields.

    ``items`` has one row per version of an item, in the order of time (so the first versions are in the order of first
    sale); ``events`` is in the order of time; ``dropped`` counts the lines left out, by rule.
    """

    items: pl.DataFrame
    events: pl.DataFrame
    dropped: dict[str, int]


def prepare_online_retail(raw: pl.DataFrame) -> Prepared:
    """Clean the raw lines and derive the catalogue.

    Args:
        raw: The public table with the columns of :data:`RAW_SCHEMA`, any number of lines.

    Raises:
        DataError: a column is missing or of another type.
    """
    lines = _normalise(raw)
    is_cancellation = pl.col("invoice").str.starts_with("C")
    rule = (
        pl.when(~pl.col("item_id").str.contains(r"^\d{5}"))
        .then(pl.lit("not_a_product"))
        .when(is_cancellation & pl.col("customer").is_null())
        .then(pl.lit("cancellation_without_customer"))
        .when(~is_cancellation & (pl.col("quantity") <= 0))
        .then(pl.lit("quantity_not_positive"))
        .when(pl.col("price") <= 0)
        .then(pl.lit("price_not_positive"))
    )
    lines = lines.with_columns(
        rule=rule, type=pl.when(is_cancellation).then(pl.lit("return")).otherwise(pl.lit("purchase"))
    )
    counts = dict(lines.filter(pl.col("rule").is_not_null()).group_by("rule").len().iter_rows())
    names = ("not_a_product", "cancellation_without_customer", "quantity_not_positive", "price_not_positive")
    kept = lines.filter(pl.col("rule").is_null())
    return Prepared(_items(kept), _events(kept), {name: counts.get(name, 0) for name in names})


def _normalise(raw: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in RAW_SCHEMA if name not in raw.columns]
    if missing:
        raise DataError(
            f"Online Retail: expected the columns {', '.join(RAW_SCHEMA)}, {', '.join(missing)} missing; "
            "take the file from the UCI repository unchanged"
        )
    try:
        lines = raw.select(pl.col(name).cast(dtype) for name, dtype in RAW_SCHEMA.items())
    except pl.exceptions.PolarsError as error:
        raise DataError(f"Online Retail: a column is not of the expected type ({RAW_SCHEMA}): {error}") from error
    return lines.select(
        invoice=pl.col("InvoiceNo").str.strip_chars().str.to_uppercase(),
        item_id=pl.col("StockCode").str.strip_chars().str.to_uppercase().fill_null(""),
        title=pl.col("Description").str.replace_all(r"\s+", " ").str.strip_chars(),
        quantity=pl.col("Quantity").cast(pl.Float64).fill_null(0.0),
        time=pl.col("InvoiceDate").dt.replace_time_zone("UTC").cast(_TIME),
        price=pl.col("UnitPrice").fill_null(0.0),
        customer=pl.col("CustomerID").cast(pl.String),
    ).sort("time", maintain_order=True)


def _events(kept: pl.DataFrame) -> pl.DataFrame:
    return kept.select(
        "type",
        user_id="customer",
        session_id=pl.when(pl.col("customer").is_null()).then("invoice"),
        item_id="item_id",
        timestamp="time",
        quantity=pl.col("quantity").abs(),
        price="price",
        order_id="invoice",
    )


def _items(kept: pl.DataFrame) -> pl.DataFrame:
    """One row per item at its first line, and one at each week's end at which its record had changed.

    A version reads only lines before it begins (the first reads its own line), so a catalogue as of a time is the
    same whatever happens later.
    """
    lines = kept.select("item_id", "title", "price", "time", "type").with_row_index("line")
    first = (
        lines.group_by("item_id", maintain_order=True).first().select("item_id", "title", "price", valid_from="time")
    )
    order = first.select("item_id", created_at="valid_from").with_row_index("first_sale")
    elapsed_ms = pl.col("time").dt.epoch("ms") - SATURDAY_MS
    week_end = ((elapsed_ms // WEEK_MS + 1) * WEEK_MS + SATURDAY_MS).cast(_TIME)
    lines = lines.with_columns(valid_from=week_end)
    weekly = _titles_so_far(lines).join(_prices_so_far(lines), on=["item_id", "valid_from"])
    versions = (
        pl.concat([first, weekly.select(first.columns)])
        .sort("item_id", "valid_from", maintain_order=True)
        .filter(
            pl.col("title").ne_missing(pl.col("title").shift().over("item_id"))
            | pl.col("price").ne_missing(pl.col("price").shift().over("item_id"))
        )
        .join(order, on="item_id")
        .sort("valid_from", "first_sale")
    )
    titles = versions["title"].unique(maintain_order=True)
    categories = pl.DataFrame(
        {"title": titles, "category": [category_of(title) for title in titles]},
        schema={"title": pl.String, "category": pl.List(pl.String)},
    )
    return versions.join(categories, on="title", how="left", maintain_order="left", nulls_equal=True).select(
        "item_id",
        "title",
        "category",
        "price",
        currency=pl.lit("GBP"),
        created_at="created_at",
        updated_at="valid_from",
    )


def _titles_so_far(lines: pl.DataFrame) -> pl.DataFrame:
    """The commonest title of each item up to each week's end at which it had lines; the earlier one of equals."""
    counts = lines.group_by("item_id", "title", "valid_from").agg(pl.len().alias("count"))
    titles = lines.group_by("item_id", "title").agg(pl.col("line").min().alias("first_line"))
    weeks = lines.select("item_id", "valid_from").unique()
    return (
        weeks.join(titles, on="item_id")
        .join(counts, on=["item_id", "title", "valid_from"], how="left", nulls_equal=True)
        .sort("valid_from")
        .with_columns(pl.col("count").fill_null(0).cum_sum().over("item_id", "title"))
        .filter(pl.col("count") > 0)
        .sort(["item_id", "valid_from", "count", "first_line"], descending=[False, False, True, False])
        .group_by("item_id", "valid_from", maintain_order=True)
        .first()
        .select("item_id", "valid_from", "title")
    )


def _prices_so_far(lines: pl.DataFrame) -> pl.DataFrame:
    """The last price each item was sold at up to each week's end; what was paid back stands in for it till a sale."""
    return (
        lines.with_columns(
            sold=pl.when(pl.col("type") == "purchase").then("price").forward_fill().over("item_id"),
        )
        .group_by("item_id", "valid_from", maintain_order=True)
        .agg(pl.coalesce(pl.col("sold").last(), pl.col("price").last()).alias("price"))
    )
