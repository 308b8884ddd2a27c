"""The simulated shop: the same for the same seed, valid records, and its truth can be found again."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from pathlib import Path

import orjson
import polars as pl
import pytest

from aisle.data.simulate import CATEGORIES, Simulated, simulate_shop
from aisle.data.simulator import write_truth
from aisle.schema import Event, Item


@pytest.fixture(scope="module")
def shop() -> Simulated:
    return simulate_shop(num_users=300, num_items=120, num_days=120, seed=0)


def of_type(shop: Simulated, *types: str) -> pl.DataFrame:
    return shop.events.filter(pl.col("type").is_in(types))


def test_same_seed_same_shop(shop: Simulated) -> None:
    again = simulate_shop(num_users=300, num_items=120, num_days=120, seed=0)
    assert again.events.equals(shop.events)
    assert again.items.equals(shop.items)
    assert again.truth == shop.truth
    assert again.truth.tables is not None and shop.truth.tables is not None
    for one, other in zip(vars(again.truth.tables).values(), vars(shop.truth.tables).values(), strict=True):
        assert one.equals(other)
    assert not simulate_shop(num_users=300, num_items=120, num_days=120, seed=1).events.equals(shop.events)


def test_without_impressions_all_else_is_the_same(shop: Simulated) -> None:
    without = simulate_shop(num_users=300, num_items=120, num_days=120, seed=0, impressions=False)
    assert without.events.equals(shop.events.filter(pl.col("type") != "impression"))
    assert without.truth == shop.truth


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
    assert counts["impression"] > counts["view"] > counts["add_to_cart"] > counts["purchase"] > 3000
    assert 0 < counts["return"] < 0.06 * counts["purchase"]
    sessions = of_type(shop, "view").unique("session_id")
    assert 0.05 < sessions["user_id"].null_count() / sessions.height < 0.25
    assert shop.items.unique("item_id").filter(pl.col("created_at") > pl.col("created_at").min()).height > 5
    assert {len(category) for category in shop.items["category"]} == {2}
    assert shop.items["brand"].n_unique() == 10


def test_nothing_is_shown_or_bought_before_its_launch_or_while_it_is_out_of_stock(shop: Simulated) -> None:
    began = shop.events.filter(~pl.col("type").is_in(["return"])).with_columns(
        began=pl.col("timestamp").min().over("session_id")
    )
    versions = shop.items.select("item_id", "available", pl.col("updated_at").alias("began")).sort("began")
    then = began.sort("began").join_asof(versions, on="began", by="item_id", check_sortedness=False)
    assert then.height == began.height
    assert then["available"].all() and then["available"].null_count() == 0
    assert shop.items.filter(~pl.col("available")).height > 10


def test_lists_have_ten_places_and_views_say_where_they_came_from(shop: Simulated) -> None:
    shown = of_type(shop, "impression")
    lists = shown.group_by("request_id").agg(pl.col("position").sort(), pl.col("item_id").n_unique())
    assert lists["position"].to_list() == [list(range(10))] * lists.height
    assert (lists["item_id"] == 10).all()
    clicked = of_type(shop, "view").filter(pl.col("request_id").is_not_null())
    assert clicked.height > 500
    keys = ["request_id", "position", "item_id", "session_id", "placement"]
    assert clicked.join(shown, on=keys, how="anti").height == 0
    assert shop.truth.tables is not None
    truth = shop.truth.tables.shown
    assert truth.join(shown, on=["request_id", "position", "item_id"], how="anti").height == 0


def test_complements_are_found_by_what_is_bought_together(shop: Simulated) -> None:
    baskets = of_type(shop, "purchase").group_by("order_id").agg(pl.col("item_id").unique())["item_id"]
    alone: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for basket in baskets.to_list():
        alone.update(basket)
        together.update(itertools.permutations(basket, 2))
    found = 0
    pairs = [pair for pair in shop.truth.complements if together[pair] >= 5]
    for item, partner in pairs:
        near = {other: count / alone[other] ** 0.5 for (one, other), count in together.items() if one == item}
        found += max(near, key=lambda other: near[other]) == partner
    assert len(pairs) >= 10
    assert found >= 0.9 * len(pairs)


def test_tastes_and_repurchases_are_in_the_events(shop: Simulated) -> None:
    bought = of_type(shop, "purchase").filter(pl.col("user_id").is_not_null())
    category = shop.items.unique("item_id").select("item_id", pl.col("category").list.first())
    favourite = pl.DataFrame({"user_id": list(shop.truth.favourite), "favourite": list(shop.truth.favourite.values())})
    share = bought.join(category, on="item_id").join(favourite, on="user_id")
    assert (share["category"] == share["favourite"]).mean() > 2 / len(CATEGORIES)  # type: ignore[operator]
    used_up = bought.filter(pl.col("item_id").is_in(list(shop.truth.repurchase_days)))
    repeats = used_up.group_by("user_id", "item_id").len()["len"]
    other_repeats = bought.join(used_up, on="item_id", how="anti").group_by("user_id", "item_id").len()["len"]
    assert repeats.mean() > 1.5 * other_repeats.mean()  # type: ignore[operator]


def test_returns_name_what_was_bought(shop: Simulated) -> None:
    returned = of_type(shop, "return")
    keys = ["order_id", "item_id", "user_id", "quantity", "price"]
    both = returned.join(of_type(shop, "purchase"), on=keys, suffix="_bought")
    assert both.height == returned.height
    days = (both["timestamp"] - both["timestamp_bought"]).dt.total_days()
    assert days.min() == 3 and days.max() == 13


def test_bots_look_at_everything_and_buy_nothing(shop: Simulated) -> None:
    of_bots = shop.events.filter(pl.col("session_id").is_in(list(shop.truth.bots)))
    assert shop.truth.bots
    assert set(of_bots["type"]) == {"view"}
    assert of_bots["user_id"].null_count() == of_bots.height
    assert of_bots.height > 25 * len(shop.truth.bots)


def test_variants_are_one_product_in_two_colours_and_stand_for_each_other(shop: Simulated) -> None:
    variants = shop.items.unique("item_id").filter(pl.col("parent_id").is_not_null())
    pages = {row["item_id"]: row for row in shop.items.iter_rows(named=True)}
    assert variants.height >= 3
    for row in variants.iter_rows(named=True):
        assert row["category"] == pages[row["parent_id"]]["category"]
        assert (row["parent_id"], row["item_id"]) in shop.truth.substitutes
    assert len(shop.truth.substitutes) > variants.height


def test_the_truth_is_written_beside_the_data(shop: Simulated, tmp_path: Path) -> None:
    paths = write_truth(shop.truth, tmp_path)
    told = orjson.loads(paths["truth"].read_bytes())
    assert told["complements"] == [list(pair) for pair in shop.truth.complements]
    assert told["examination"][:2] == pytest.approx([1.0, 0.6156], abs=1e-4)
    assert told["repurchase_days"] == shop.truth.repurchase_days
    users = pl.read_parquet(paths["truth_users"])
    assert users["taste"].list.sum().to_list() == pytest.approx([1.0] * 300)
    assert set(pl.read_parquet(paths["truth_items"])["category"]) == {name for name, _, _ in CATEGORIES}
    assert pl.read_parquet(paths["truth_shown"])["propensity"].is_between(0, 1).all()


@pytest.mark.parametrize("wrong", [{"num_users": 0}, {"num_items": 19}, {"num_days": 0}, {"seed": -1}])
def test_wrong_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected num_users >= 1"):
        simulate_shop(**wrong)


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_shop(seed: int) -> None:
    shop = simulate_shop(num_users=1, num_items=20, num_days=1, seed=seed)
    assert shop.items["item_id"].n_unique() == 20
    assert shop.events.schema["timestamp"] == pl.Datetime("ms", "UTC")


@pytest.mark.timing
def test_a_million_events_take_seconds() -> None:
    started = time.perf_counter()
    shop = simulate_shop(num_users=1700, num_items=1500, num_days=240)
    assert shop.events.height > 1_000_000
    assert time.perf_counter() - started < 20
