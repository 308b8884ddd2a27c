"""What a shop's lists showed and what came of it, as a table for models of clicks and purchases.

Every impression is a row, in the order of time. It was clicked if its list's item was viewed from there, and bought if
it was clicked and the same session has a purchase of the item.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from aisle.data.datasets import write_parquet
from aisle.errors import DataError

_LIST = ["request_id", "item_id"]
_BOUGHT = ["session_id", "item_id"]


def impression_table(items: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The impressions of a shop with ``click`` and ``purchase``.

    Args:
        items: In Aisle's own fields, all versions; an impression has the category (the finest), brand and price that
            the item had then.
        events: In Aisle's own fields; impressions and the views that they led to name their ``request_id``.

    Returns:
        ``click``, ``purchase``, ``timestamp``, ``user_id``, ``item_id``, ``category``, ``brand``, ``price``,
        ``placement``, ``position``.

    Raises:
        DataError: there is no impression.
    """
    shown = events.filter((pl.col("type") == "impression") & pl.col("request_id").is_not_null())
    if not len(shown):
        raise DataError("expected events of type impression with a request_id, received none; let the shop log them")
    clicked = events.filter(pl.col("type") == "view").select(_LIST).drop_nulls().unique().with_columns(click=1)
    bought = events.filter(pl.col("type") == "purchase").select(_BOUGHT).drop_nulls().unique().with_columns(bought=1)
    versions = items.sort("updated_at").select(
        "item_id", pl.col("category").list.last(), "brand", "price", timestamp="updated_at"
    )
    is_clicked, is_bought = (pl.col(name).fill_null(0).cast(pl.Int8) for name in ("click", "bought"))
    return (
        shown.drop("price")
        .join(clicked, on=_LIST, how="left", maintain_order="left")
        .join(bought, on=_BOUGHT, how="left", maintain_order="left")
        .sort("timestamp", maintain_order=True)
        .join_asof(versions, on="timestamp", by="item_id", check_sortedness=False)
        .select(
            is_clicked.alias("click"),
            (is_clicked * is_bought).alias("purchase"),
            *("timestamp", "user_id", "item_id", "category", "brand", "price", "placement", "position"),
        )
    )


def write_impression_table(shop: Path | str, output: Path | str) -> None:
    """Write the impressions of a folder with ``items.parquet`` and ``events.parquet``."""
    items, events = (pl.read_parquet(Path(shop) / f"{name}.parquet") for name in ("items", "events"))
    write_parquet(impression_table(items, events), Path(output))
