"""What the simulated shop sells: categories, brands, prices, variants, what goes together, launches and stock-outs.

Legend of shapes: V items, W weeks, S dimensions of style.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
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
BRANDS = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Hazel", "Juniper", "Larch", "Maple")
STYLE_DIMENSIONS = 3

_LATE_SHARE = 0.15  # of the items come while the shop is open
_NOVELTY, _NOVELTY_DAYS = 1.0, 30.0  # a launch doubles the popularity, and fades
_FASHION = 0.7  # how far popularity swings, on a logarithmic scale
_SEASON = 0.4
_OUT_OF_STOCK_SHARE = 0.25
#: Products of a category in one colour; so many items later comes the same product in the next one.
_NUM_PRODUCTS = len(CATEGORIES) * len(CATEGORIES[0][1])


@dataclass(frozen=True)
class Assortment:
    """The items, by number.

    Attributes:
        category_V: Number in :data:`CATEGORIES`.
        brand_V: Number in :data:`BRANDS`.
        style_VS: What it is like; a brand's items are alike.
        price_V: In euros.
        parent_V: The item of which it is a variant, or itself.
        group_V: Items with the same number stand for each other: variants, and other substitutes.
        partner_V: Its complement, or -1.
        repurchase_days_V: After so many days it is used up; 0: it lasts.
        launch_day_V: When it comes, in days from the start.
        out_from_V: First day out of stock; infinite where it never is.
        out_until_V: First day back.
        popularity_WV: How much it is wanted in each week, apart from personal taste; 0 before its launch.
    """

    category_V: NDArray[np.int64]
    brand_V: NDArray[np.int64]
    style_VS: NDArray[np.float64]
    price_V: NDArray[np.float64]
    parent_V: NDArray[np.int64]
    group_V: NDArray[np.int64]
    partner_V: NDArray[np.int64]
    repurchase_days_V: NDArray[np.int64]
    launch_day_V: NDArray[np.float64]
    out_from_V: NDArray[np.float64]
    out_until_V: NDArray[np.float64]
    popularity_WV: NDArray[np.float64]

    @classmethod
    def draw(cls, num_items: int, num_days: int, generator: np.random.Generator) -> Self:
        """An assortment for a shop that is open for so many days."""
        category_V = np.arange(num_items) % len(CATEGORIES)
        typical_V = np.array([price for _, _, price in CATEGORIES])[category_V]
        price_V = np.round(typical_V * generator.lognormal(0.0, 0.4, num_items) + 0.01, 2)
        brand_V = generator.integers(0, len(BRANDS), num_items)
        of_brand = generator.normal(size=(len(BRANDS), STYLE_DIMENSIONS))
        style_VS = 0.8 * of_brand[brand_V] + 0.6 * generator.normal(size=(num_items, STYLE_DIMENSIONS))
        partner_V, repurchase_days_V, free = _draw_roles(category_V, generator)
        parent_V, group_V = _draw_groups(category_V, free, generator)
        is_late_V = (generator.random(num_items) < _LATE_SHARE) & (np.arange(num_items) >= len(CATEGORIES))
        launch_day_V = np.where(is_late_V, np.floor(num_days * generator.uniform(0.1, 0.95, num_items)), 0.0)
        is_out_V = generator.random(num_items) < _OUT_OF_STOCK_SHARE
        out_V = np.floor(launch_day_V + generator.uniform(1, max(num_days, 2), num_items))
        out_from_V = np.where(is_out_V, out_V, np.inf)
        return cls(
            category_V=category_V,
            brand_V=brand_V,
            style_VS=style_VS,
            price_V=price_V,
            parent_V=parent_V,
            group_V=group_V,
            partner_V=partner_V,
            repurchase_days_V=repurchase_days_V,
            launch_day_V=launch_day_V,
            out_from_V=out_from_V,
            out_until_V=out_from_V + generator.integers(2, 9, num_items),
            popularity_WV=_draw_popularity(category_V, launch_day_V, num_days, generator),
        )

    @property
    def num_items(self) -> int:
        """V."""
        return len(self.category_V)

    def is_sold(self, items: NDArray[np.int64], days: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether items are launched and in stock on days; the shapes are broadcast."""
        is_out = (days >= self.out_from_V[items]) & (days < self.out_until_V[items])
        return (days >= self.launch_day_V[items]) & ~is_out

    def title(self, item: int) -> str:
        """What stands on the page; unique."""
        products = CATEGORIES[self.category_V[item]][1]
        place = item // len(CATEGORIES)
        series = item // (_NUM_PRODUCTS * len(COLOURS))
        title = f"{COLOURS[item // _NUM_PRODUCTS % len(COLOURS)]} {products[place % len(products)]}"
        return f"{title} no. {series + 1}" if series else title


def item_id(item: int) -> str:
    """The id under which files and the server know an item."""
    return f"item-{item:04d}"


def _draw_roles(
    category_V: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Complements (pairs of unlike items, each in at most one), things that are used up, and the items left over."""
    num_items = len(category_V)
    partner_V = np.full(num_items, -1)
    repurchase_days_V = np.zeros(num_items, np.int64)
    drawn = generator.permutation(num_items)[: 2 * (num_items // 6)].reshape(-1, 2)
    pairs = drawn[category_V[drawn[:, 0]] != category_V[drawn[:, 1]]]
    partner_V[pairs[:, 0]] = pairs[:, 1]
    others = generator.permutation(np.setdiff1d(np.arange(num_items), drawn))
    used_up, free = np.split(others, [num_items // 10])
    repurchase_days_V[used_up] = generator.integers(10, 35, len(used_up))
    return partner_V, repurchase_days_V, np.sort(free)


def _draw_groups(
    category_V: NDArray[np.int64], free: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Variants (the same product in two colours), and other pairs of one category that stand for each other."""
    num_items = len(category_V)
    parent_V, group_V = np.arange(num_items), np.arange(num_items)
    left = {int(item) for item in free}
    num_pairs = num_items // 20
    for base in [item for item in generator.permutation(free) if item + _NUM_PRODUCTS in left][:num_pairs]:
        variant = int(base) + _NUM_PRODUCTS
        if {int(base), variant} <= left:
            parent_V[variant] = group_V[variant] = base
            left -= {int(base), variant}
    for category in generator.permutation(len(CATEGORIES))[:num_pairs]:
        one, *others = [item for item in sorted(left) if category_V[item] == category] or [0]
        if others:
            group_V[others[0]] = one
    return parent_V, group_V


def _draw_popularity(
    category_V: NDArray[np.int64], launch_day_V: NDArray[np.float64], num_days: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """A long tail that swings with fashion and the season of each category, and is higher after a launch."""
    num_items = len(category_V)
    days_W1 = 7.0 * np.arange(num_days // 7 + 1)[:, None] + 3.5
    base_V = 1.0 / (generator.permutation(num_items) + 5.0)
    swing_V = _FASHION * np.abs(generator.normal(size=num_items))
    period_V = generator.uniform(90, 240, num_items)
    fashion_WV = swing_V * np.sin(2 * np.pi * (days_W1 / period_V + generator.random(num_items)))
    peak_V = generator.random(len(CATEGORIES))[category_V]
    season_WV = _SEASON * np.sin(2 * np.pi * (days_W1 / 365 + peak_V))
    age_WV = days_W1 - launch_day_V
    is_late_V = launch_day_V > 0
    novelty_WV = 1 + _NOVELTY * is_late_V * np.exp2(-np.maximum(age_WV, 0) / _NOVELTY_DAYS)
    is_launched_WV = days_W1 + 3.5 > launch_day_V
    popularity_WV: NDArray[np.float64] = base_V * np.exp(fashion_WV + season_WV) * novelty_WV * is_launched_WV
    return popularity_WV
