"""Impressions with what came of them: known answers, and the rules of the simulated shop."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

from aisle.data.impressions import impression_table
from aisle.data.simulate import simulate_shop
from aisle.errors import DataError


def at(hour: int) -> dt.datetime:
    return dt.datetime(2024, 1, 1, hour, tzinfo=dt.UTC)


ITEMS = pl.DataFrame(
    {
        "item_id": ["mug", "lamp", "mug"],
        "category": [["home", "kitchen"], ["home"], ["home", "kitchen"]],
        "brand": ["b", None, "b"],
        "price": [5.0, 40.0, 6.0],
        "updated_at": [at(0), at(0), at(3)],
    }
)


def event(kind: str, hour: int, item: str, session: str, request: str | None, position: int | None) -> dict[str, Any]:
    return {
        "type": kind,
        "timestamp": at(hour),
        "item_id": item,
        "session_id": session,
        "request_id": request,
        "position": position,
        "user_id": "u",
        "placement": None if request is None else "for-you",
        "price": None,
    }


EVENTS = pl.DataFrame(
    [
        event("impression", 1, "mug", "s1", "r1", 0),
        event("impression", 1, "lamp", "s1", "r1", 1),
        event("view", 1, "mug", "s1", "r1", 0),
        event("view", 1, "lamp", "s1", None, None),  # found otherwise
        event("purchase", 2, "mug", "s1", None, None),
        event("purchase", 2, "lamp", "s1", None, None),
        event("impression", 4, "mug", "s2", "r2", 0),
        event("view", 4, "mug", "s2", "r2", 0),
    ]
)


def test_clicks_and_purchases_of_impressions() -> None:
    table = impression_table(ITEMS, EVENTS.sort("timestamp", descending=True))
    rows = table.sort("timestamp", "position").select(
        "item_id", "click", "purchase", "category", "brand", "price", "position"
    )
    assert rows.rows() == [
        ("mug", 1, 1, "kitchen", "b", 5.0, 0),
        ("lamp", 0, 0, "home", None, 40.0, 1),
        ("mug", 1, 0, "kitchen", "b", 6.0, 0),
    ]


def test_the_simulated_shop_has_few_clicks_and_fewer_purchases() -> None:
    shop = simulate_shop(200, 60, 40, seed=1)
    table = impression_table(shop.items, shop.events)
    assert len(table) == len(shop.events.filter(pl.col("type") == "impression"))
    assert table["timestamp"].is_sorted()
    assert table.filter(purchase=1)["click"].min() == 1
    assert 0 < table["purchase"].sum() < table["click"].sum() < 0.1 * len(table)
    assert table.select("item_id", "category", "price").null_count().row(0) == (0, 0, 0)


def test_a_shop_without_impressions_is_refused() -> None:
    with pytest.raises(DataError, match="expected events of type impression with a request_id, received none"):
        impression_table(ITEMS, EVENTS.filter(pl.col("type") != "impression"))
