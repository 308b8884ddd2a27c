"""The simulated shop's catalogue in Aisle's own fields: a record per item, and one each time it goes or comes back."""

from __future__ import annotations

import numpy as np
import polars as pl

from aisle.data.simulator.assortment import BRANDS, CATEGORIES, Assortment, item_id
from aisle.data.simulator.world import START_MS, World
from aisle.schema import DAY_MS

_TIME = pl.Datetime("ms", "UTC")


def item_records(world: World) -> pl.DataFrame:
    """All versions of all items, in the order of time; ``updated_at`` says from when each holds."""
    assortment = world.assortment
    items_V = np.arange(assortment.num_items)
    is_out_V = assortment.out_from_V < world.num_days
    is_back_V = assortment.out_until_V < world.num_days
    versions = pl.concat(
        [
            _versions(items_V, assortment.launch_day_V, is_available=True),
            _versions(items_V[is_out_V], assortment.out_from_V[is_out_V], is_available=False),
            _versions(items_V[is_back_V], assortment.out_until_V[is_back_V], is_available=True),
        ]
    )
    return (
        versions.join(_pages(assortment), on="item", how="left", maintain_order="left")
        .sort("updated_at", maintain_order=True)
        .select(
            "item_id", "parent_id", "title", "category", "brand", "price", "currency", "available", "created_at",
            "updated_at",
        )
    )  # fmt: skip


def _versions(item_V: np.ndarray, day_V: np.ndarray, *, is_available: bool) -> pl.DataFrame:
    times_ms = START_MS + np.round(day_V * DAY_MS).astype(np.int64)
    return pl.DataFrame({"item": item_V, "updated_at": times_ms}).with_columns(
        pl.col("updated_at").cast(_TIME), available=pl.lit(is_available)
    )


def _pages(assortment: Assortment) -> pl.DataFrame:
    rows = []
    for item, number in enumerate(assortment.category_V):
        category, products, _ = CATEGORIES[number]
        product = products[item // len(CATEGORIES) % len(products)]
        parent = int(assortment.parent_V[item])
        rows.append(
            {
                "item": item,
                "item_id": item_id(item),
                "parent_id": item_id(parent) if parent != item else None,
                "title": assortment.title(item),
                "category": [category, product],
                "brand": BRANDS[assortment.brand_V[item]],
                "price": float(assortment.price_V[item]),
                "currency": "EUR",
            }
        )
    created_ms = START_MS + np.round(assortment.launch_day_V * DAY_MS).astype(np.int64)
    return pl.DataFrame(rows, schema_overrides={"parent_id": pl.String}).with_columns(
        created_at=pl.Series(created_ms).cast(_TIME)
    )
