"""The simulated shop: the same for the same seed, valid records, and its truth can be found again."""

from __future__ import annotations

import itertools
from collections import Counter

import polars as pl
import pytest

from aisle.data.simulate import CATEGORIES, Simulated, simulate_shop
from aisle.schema import Event, Item


@pytest.fixture(scope="module")
def shop() -> Simulated:
    return simulate_shop(num_users=300, num_items=120, num_days=120, seed=0)


def test_same_seed_same_shop(shop: Simulated) -> None:
    again = simulate_shop(num_users=300, num_items=120, num_days=120, seed=0)
    assert again.events.equals(shop.events)
    assert again.items.equals(shop.items)
    assert again.truth == shop.truth
    assert not simulate_shop(num_users=300, num_items=120, num_days=120, seed=1).events.equals(shop.events)


def test_rows_are_valid_records(shop: Simulated) -> None:
    for row in shop.items.iter_rows(named=True):
        Item.model_validate(row)
    for row in shop.events.sample(500, seed=0).iter_rows(named=True):
        Event.model_validate(row)
    assert shop.items["item_id"].n_unique() == shop.items["title"].n_unique() == 120
    assert shop.events["timestamp"].is_sorted()
    assert shop.items["updated_at"].is_sorted()


def test_the_shop_has_what_a_shop_has(shop: Simulated) -> None:
    counts = dict(shop.events["type"].value_counts().iter_rows())
    assert counts["view"] > counts["purchase"] > 3000
    assert 0.05 < shop.events["user_id"].null_count() / shop.events.height < 0.25
    first = shop.events.group_by("item_id").agg(pl.col("timestamp").min()).join(shop.items, on="item_id")
    assert first.filter(pl.col("timestamp") < pl.col("created_at")).height == 0
    assert 0 < shop.items.filter(pl.col("created_at") > pl.col("created_at").min()).height < 30


def test_complements_are_found_by_what_is_bought_together(shop: Simulated) -> None:
    baskets = shop.events.filter(type="purchase").group_by("order_id").agg(pl.col("item_id").unique())["item_id"]
    alone: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for basket in baskets.to_list():
        alone.update(basket)
        together.update(itertools.permutations(basket, 2))
    found = 0
    for item, partner in shop.truth.complements:
        near = {other: count / alone[other] ** 0.5 for (one, other), count in together.items() if one == item}
        found += max(near, key=lambda other: near[other]) == partner
    assert len(shop.truth.complements) >= 10
    assert found >= 0.9 * len(shop.truth.complements)


def test_tastes_and_repurchases_are_in_the_events(shop: Simulated) -> None:
    bought = shop.events.filter(pl.col("type") == "purchase", pl.col("user_id").is_not_null())
    category = shop.items.select("item_id", pl.col("category").list.first())
    favourite = pl.DataFrame({"user_id": list(shop.truth.favourite), "favourite": list(shop.truth.favourite.values())})
    share = bought.join(category, on="item_id").join(favourite, on="user_id")
    assert (share["category"] == share["favourite"]).mean() > 2 / len(CATEGORIES)  # type: ignore[operator]
    used_up = bought.filter(pl.col("item_id").is_in(list(shop.truth.repurchase_days)))
    repeats = used_up.group_by("user_id", "item_id").len()["len"]
    other_repeats = bought.join(used_up, on="item_id", how="anti").group_by("user_id", "item_id").len()["len"]
    assert repeats.mean() > 1.5 * other_repeats.mean()  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [{"num_users": 0}, {"num_items": 19}, {"num_days": 0}, {"seed": -1}])
def test_wrong_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected num_users >= 1"):
        simulate_shop(**wrong)


def test_the_smallest_shop() -> None:
    shop = simulate_shop(num_users=1, num_items=20, num_days=1, seed=0)
    assert shop.items.height == 20
    assert shop.events.schema["timestamp"] == pl.Datetime("ms", "UTC")
