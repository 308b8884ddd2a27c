"""Tells what happened in the simulated shop as events: impressions, views, carts, purchases, returns, and bots.

Legend of shapes: B visits, L looks, I impressions.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.simulator.assortment import item_id
from aisle.data.simulator.people import user_id
from aisle.data.simulator.policy import Shown
from aisle.data.simulator.visits import Visits
from aisle.data.simulator.world import START_MS, World
from aisle.schema import DAY_MS

#: The placement of the shop's own lists.
PLACEMENT = "for-you"

_TIME = pl.Datetime("ms", "UTC")
_ABANDONED_SHARE = 0.08  # of the things looked at go into a cart and stay there
_RETURN_SHARE = 0.04
_BOT_SHARE = 0.004  # of the visits
_BOT_LOOKS = 30
#: Events before they are told: numbers instead of ids. ``bot`` counts the sessions of bots; null for visits.
_EVENTS = pl.Schema(
    {
        "type": pl.String,
        "visit": pl.Int64,
        "item": pl.Int64,
        "time_ms": pl.Int64,
        "position": pl.Int64,
        "quantity": pl.Float64,
        "bot": pl.Int64,
    }
)


def tell(
    world: World,
    visits: Visits,
    shown: Shown,
    looks: pl.DataFrame,
    generator: np.random.Generator,
    *,
    until_day: float,
    impressions: bool,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The events of visits in Aisle's own fields, in the order of time, and the sessions of bots among them."""
    start_B = START_MS + (visits.day_B * 86_400).astype(np.int64) * 1000
    views = _views(start_B, looks, generator)
    carts = views.filter(pl.col("is_bought") | pl.Series(generator.random(views.height) < _ABANDONED_SHARE))
    purchases = _purchases(views, generator)
    bots = _bots(world, len(visits), until_day, generator)
    returns = _returns(purchases, visits, until_day, generator)
    parts = [
        *([_impressions(start_B, shown)] if impressions else []),
        views.select(**_with("view")),
        carts.select(**_with("add_to_cart", time_ms=pl.col("time_ms") + 3000)),
        purchases.select(**_with("purchase", quantity="quantity")),
        returns.select(**_with("return", quantity="quantity")),
        bots,
    ]
    events = pl.concat([part.select(pl.col(name).cast(dtype) for name, dtype in _EVENTS.items()) for part in parts])
    sessions = tuple(f"bot-{number:04d}" for number in range(bots["bot"].n_unique()))
    return _named(world, visits, events.sort("time_ms", maintain_order=True)), sessions


def _with(kind: str, **columns: str | pl.Expr) -> dict[str, str | pl.Expr]:
    """An event of a kind for each row of looks."""
    plain: dict[str, str | pl.Expr] = {"visit": "visit", "item": "item", "time_ms": "time_ms", "position": "position"}
    return {"type": pl.lit(kind), **plain, "quantity": pl.lit(None), "bot": pl.lit(None), **columns}


def _impressions(start_B: NDArray[np.int64], shown: Shown) -> pl.DataFrame:
    num_visits, length = shown.item_BK.shape
    return pl.DataFrame(
        {
            "visit": np.repeat(np.arange(num_visits), length),
            "item": shown.item_BK.ravel(),
            "time_ms": np.repeat(start_B, length),
            "position": np.tile(np.arange(length), num_visits),
        }
    ).select(**_with("impression"))


def _views(start_B: NDArray[np.int64], looks: pl.DataFrame, generator: np.random.Generator) -> pl.DataFrame:
    """Looks with their times: five seconds to a minute each, one after the other."""
    return looks.with_columns(
        took_ms=pl.Series(generator.integers(5, 60, looks.height) * 1000),
        start_ms=pl.Series(start_B[looks["visit"].to_numpy()], dtype=pl.Int64),
    ).with_columns(time_ms=pl.col("start_ms") + pl.col("took_ms").cum_sum().over("visit"))


def _purchases(views: pl.DataFrame, generator: np.random.Generator) -> pl.DataFrame:
    """One line per thing and visit, when all was looked at."""
    lines = (
        views.with_columns(time_ms=pl.col("time_ms").max().over("visit") + 30_000)
        .filter("is_bought")
        .unique(["visit", "item"], keep="first", maintain_order=True)
    )
    return lines.with_columns(quantity=pl.Series(1.0 + generator.poisson(0.3, lines.height)))


def _returns(purchases: pl.DataFrame, visits: Visits, until_day: float, generator: np.random.Generator) -> pl.DataFrame:
    """Known people send back some of what they bought, three days to two weeks later."""
    is_known = visits.is_known_B[purchases["visit"].to_numpy()]
    is_returned = pl.Series(is_known & (generator.random(purchases.height) < _RETURN_SHARE))
    later_ms = pl.Series(generator.integers(3 * 86_400, 14 * 86_400, purchases.height) * 1000)
    end_ms = START_MS + round(until_day * DAY_MS)
    returned = purchases.with_columns(time_ms=pl.col("time_ms") + later_ms, position=pl.lit(-1, pl.Int64))
    return returned.filter(is_returned & (pl.col("time_ms") < end_ms))


def _bots(world: World, num_visits: int, until_day: float, generator: np.random.Generator) -> pl.DataFrame:
    """Programs that look at one thing after the other, at random, and buy nothing."""
    day_B = np.sort(generator.uniform(0, until_day, generator.poisson(_BOT_SHARE * num_visits)))
    item_L = generator.integers(0, world.assortment.num_items, len(day_B) * _BOT_LOOKS)
    bot_L = np.repeat(np.arange(len(day_B)), _BOT_LOOKS)
    second_L = (day_B * 86_400).astype(np.int64)[bot_L] + np.tile(np.arange(_BOT_LOOKS), len(day_B))
    is_sold_L = world.assortment.is_sold(item_L, day_B[bot_L])
    seen = pl.DataFrame({"bot": bot_L, "item": item_L, "time_ms": START_MS + 1000 * second_L}).filter(
        pl.Series(is_sold_L)
    )
    missing = {"visit": pl.lit(None), "position": pl.lit(None), "quantity": pl.lit(None)}
    return seen.select(type=pl.lit("view"), item="item", time_ms="time_ms", bot="bot", **missing)


def _named(world: World, visits: Visits, events: pl.DataFrame) -> pl.DataFrame:
    """Ids instead of numbers."""
    users = pl.Series([user_id(user) for user in range(world.people.num_users)], dtype=pl.String)
    visitors = pl.DataFrame(
        {"visit": np.arange(len(visits)), "user_id": users.gather(visits.user_B), "is_known": visits.is_known_B},
        schema_overrides={"visit": pl.Int64},
    ).select("visit", user_id=pl.when("is_known").then("user_id"))
    things = pl.DataFrame(
        {
            "item": np.arange(world.assortment.num_items),
            "item_id": [item_id(item) for item in range(world.assortment.num_items)],
            "price": world.assortment.price_V,
        }
    )
    is_listed = pl.col("position") >= 0
    told = events.join(visitors, on="visit", how="left", maintain_order="left")
    return told.join(things, on="item", how="left", maintain_order="left").select(
        "type",
        "user_id",
        session_id=pl.when(pl.col("bot").is_not_null())
        .then(pl.format("bot-{}", _padded("bot", 4)))
        .when(pl.col("type") != "return")
        .then(pl.format("session-{}", _padded("visit", 6))),
        item_id="item_id",
        timestamp=pl.col("time_ms").cast(_TIME),
        quantity="quantity",
        price=pl.when(pl.col("type") != "impression").then("price"),
        order_id=pl.when(pl.col("type").is_in(["purchase", "return"])).then(pl.format("order-{}", _padded("visit", 6))),
        request_id=pl.when(is_listed).then(pl.format("request-{}", _padded("visit", 6))),
        position=pl.when(is_listed).then("position").cast(pl.Int32),
        placement=pl.when(is_listed).then(pl.lit(PLACEMENT)),
    )


def _padded(column: str, width: int) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.zfill(width)
