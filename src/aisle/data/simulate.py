"""A small simulated shop whose truth is known: tastes, complements, and things that are bought again.

It stands in where no real data is at hand, and lets a test ask whether a method finds what is there. It says nothing
about real shops. Shapes: U users, V items, C categories.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

#: Category, its products, and a typical price.
CATEGORIES: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("Coffee and tea", ("Espresso beans", "Green tea", "Filter papers", "Teapot", "Milk frother"), 9.0),
    ("Kitchen", ("Saucepan", "Chopping board", "Whisk", "Mixing bowl", "Chef's knife"), 24.0),
    ("Tableware", ("Dinner plate", "Tumbler", "Cereal bowl", "Cutlery set", "Napkins"), 15.0),
    ("Bath", ("Hand soap", "Bath towel", "Shampoo bar", "Sponge", "Bath mat"), 8.0),
    ("Stationery", ("Notebook", "Fountain pen", "Ink", "Envelopes", "Desk calendar"), 6.0),
    ("Garden", ("Flower pot", "Watering can", "Herb seeds", "Secateurs", "Bird feeder"), 12.0),
    ("Lighting", ("Candle", "Candlestick", "Table lamp", "String lights", "Lantern"), 18.0),
    ("Toys", ("Jigsaw puzzle", "Wooden train", "Kite", "Card game", "Soft rabbit"), 14.0),
)
COLOURS = ("Amber", "Blue", "Coral", "Dark", "Emerald", "Fawn", "Grey", "Honey", "Ivory", "Jade", "Khaki", "Lilac")
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

_COMPLEMENT_SHARE = 0.5  # how often the partner goes into the same basket
_ANONYMOUS_SHARE = 0.15
_VISITS_PER_DAY = 0.15
_BUY_SHARE = 0.35  # of the things looked at
_LATE_SHARE = 0.1  # of the catalogue comes in the second half of the time
_TIME = pl.Datetime("ms", "UTC")


@dataclass(frozen=True)
class Truth:
    """What was put into the shop, by item id and user id."""

    #: (item, its complement): whoever buys the first takes the second along half of the time.
    complements: tuple[tuple[str, str], ...]
    #: Items that are used up, with the days after which their buyers come back for them.
    repurchase_days: dict[str, int]
    #: The category each user likes best.
    favourite: dict[str, str]


@dataclass(frozen=True)
class Simulated:
    """Items and events in Aisle's own fields, and the truth behind them."""

    items: pl.DataFrame
    events: pl.DataFrame
    truth: Truth


def simulate_shop(num_users: int = 300, num_items: int = 120, num_days: int = 120, seed: int = 0) -> Simulated:
    """Simulate a shop; the same arguments give the same shop.

    Args:
        num_users: At least 1.
        num_items: At least 20.
        num_days: At least 1.
        seed: Any number from 0.
    """
    if num_users < 1 or num_items < 20 or num_days < 1 or seed < 0:
        raise ValueError(
            "expected num_users >= 1, num_items >= 20, num_days >= 1 and seed >= 0, "
            f"received {num_users}, {num_items}, {num_days} and {seed}"
        )
    return _Shop(num_users, num_items, num_days, np.random.default_rng(seed)).run()


class _Shop:
    """The state of one simulation."""

    def __init__(self, num_users: int, num_items: int, num_days: int, generator: np.random.Generator) -> None:
        self.generator = generator
        self.num_users, self.num_days = num_users, num_days
        self.category_V = np.arange(num_items) % len(CATEGORIES)
        typical_V = np.array([price for _, _, price in CATEGORIES])[self.category_V]
        self.price_V = np.round(typical_V * generator.lognormal(0.0, 0.4, num_items), 2) + 0.01
        rank_V = generator.permutation(num_items)
        self.popularity_V = 1.0 / (rank_V + 5.0)
        is_late_V = (generator.random(num_items) < _LATE_SHARE) & (np.arange(num_items) >= len(CATEGORIES))
        self.launch_day_V = np.where(is_late_V, num_days * generator.uniform(0.5, 0.9, num_items), 0.0)
        self.taste_UC = generator.dirichlet(np.full(len(CATEGORIES), 0.35), num_users)
        # Pairs of unlike items, each item in at most one pair.
        drawn = generator.permutation(num_items)[: 2 * (num_items // 6)].reshape(-1, 2)
        self.partner_of = {int(a): int(b) for a, b in drawn if self.category_V[a] != self.category_V[b]}
        others = np.setdiff1d(np.arange(num_items), drawn)
        self.days_of = {int(item): int(generator.integers(10, 35)) for item in others[: num_items // 10]}
        self.rows: list[tuple[str, str | None, str, int, int, float | None, str | None]] = []
        self.num_sessions = 0

    def run(self) -> Simulated:
        for user in range(self.num_users):
            self._live(user)
        schema = {
            "type": pl.String,
            "user_id": pl.String,
            "session_id": pl.String,
            "item": pl.Int32,
            "time_ms": pl.Int64,
            "quantity": pl.Float64,
            "order_id": pl.String,
        }
        events = pl.DataFrame(self.rows, schema=schema, orient="row").sort("time_ms", maintain_order=True)
        price = pl.DataFrame({"item": np.arange(len(self.price_V), dtype=np.int32), "price": self.price_V})
        events = events.join(price, on="item", how="left", maintain_order="left").select(
            "type",
            "user_id",
            "session_id",
            pl.format("item-{}", pl.col("item").cast(pl.String).str.zfill(4)).alias("item_id"),
            pl.col("time_ms").cast(_TIME).alias("timestamp"),
            "quantity",
            "price",
            "order_id",
        )
        return Simulated(self._items(), events, self._truth())

    def _live(self, user: int) -> None:
        """All visits of one user: some at random, some because something is used up."""
        number = self.generator.poisson(_VISITS_PER_DAY * self.num_days)
        due: list[tuple[float, int | None]] = [(day, None) for day in self.generator.uniform(0, self.num_days, number)]
        while due:
            due.sort(key=lambda visit: visit[0], reverse=True)
            day, wanted = due.pop()
            for item in self._visit(user, day, wanted):
                later = day + self.days_of.get(item, 0) * self.generator.uniform(0.9, 1.1)
                waits = any(again == item for _, again in due)
                if item in self.days_of and later < self.num_days and not waits and self.generator.random() < 0.8:
                    due.append((later, item))

    def _visit(self, user: int, day: float, wanted: int | None) -> list[int]:
        """One visit; gives back what was bought."""
        generator = self.generator
        weights_V = self.popularity_V * (0.02 + self.taste_UC[user][self.category_V]) * (self.launch_day_V <= day)
        seen = list(
            generator.choice(len(weights_V), generator.integers(2, 6), replace=True, p=weights_V / weights_V.sum())
        )
        bought = [item for item in dict.fromkeys(int(one) for one in seen) if generator.random() < _BUY_SHARE]
        if wanted is not None and wanted not in bought:
            seen, bought = [wanted, *seen], [wanted, *bought]
        for item in list(bought):
            partner = self.partner_of.get(item)
            is_there = partner is not None and partner not in bought and self.launch_day_V[partner] <= day
            if is_there and partner is not None and generator.random() < _COMPLEMENT_SHARE:
                seen, bought = [*seen, partner], [*bought, partner]
        self.num_sessions += 1
        session = f"session-{self.num_sessions:06d}"
        is_known = wanted is not None or generator.random() >= _ANONYMOUS_SHARE
        user_id = f"user-{user:05d}" if is_known else None
        time_ms = int(START.timestamp() * 1000) + int(day * 86_400) * 1000
        for item in seen:
            time_ms += int(generator.integers(5, 60)) * 1000
            self.rows.append(("view", user_id, session, int(item), time_ms, None, None))
        for item in bought:
            order = f"order-{self.num_sessions:06d}"
            quantity = 1.0 + generator.poisson(0.3)
            self.rows.append(("purchase", user_id, session, item, time_ms + 30_000, quantity, order))
        return bought if is_known else []

    def _items(self) -> pl.DataFrame:
        rows = []
        for item, (category, price) in enumerate(zip(self.category_V, self.price_V, strict=True)):
            name, products, _ = CATEGORIES[category]
            place = item // len(CATEGORIES)
            product = products[place % len(products)]
            colour = COLOURS[place // len(products) % len(COLOURS)]
            series = place // (len(products) * len(COLOURS))
            title = f"{colour} {product}" + (f" no. {series + 1}" if series else "")
            launch = START + dt.timedelta(days=float(self.launch_day_V[item]))
            rows.append((_item_id(item), title, [name, product], float(price), "EUR", launch, launch))
        schema: dict[str, pl.DataType | type[pl.DataType]] = {
            "item_id": pl.String,
            "title": pl.String,
            "category": pl.List(pl.String()),
            "price": pl.Float64,
            "currency": pl.String,
            "created_at": _TIME,
            "updated_at": _TIME,
        }
        return pl.DataFrame(rows, schema=schema, orient="row").sort("updated_at", maintain_order=True)

    def _truth(self) -> Truth:
        best_U: NDArray[np.int64] = self.taste_UC.argmax(axis=1)
        return Truth(
            complements=tuple((_item_id(a), _item_id(b)) for a, b in sorted(self.partner_of.items())),
            repurchase_days={_item_id(item): days for item, days in self.days_of.items()},
            favourite={f"user-{user:05d}": CATEGORIES[best][0] for user, best in enumerate(best_U)},
        )


def _item_id(item: int) -> str:
    return f"item-{item:04d}"
