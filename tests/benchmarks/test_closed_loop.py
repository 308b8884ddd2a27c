"""The closed loop: visitors are served by the pipeline, their events arrive, and a policy is measured by the truth."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aisle import recipe as recipes
from aisle.data.simulator import START_MS, World, simulate_history
from aisle.data.simulator.assortment import item_id
from aisle.evaluate.closed_loop import ClosedLoop
from aisle.pipeline import Recommender
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS
from aisle.workspace import Workspace
from benchmarks.charts import closed_loop_chart
from benchmarks.closed_loop import FROZEN, LEARNING, POLICIES, POPULARITY, RECIPE, Sizes, measure_seed, summarize

SIZES = Sizes(num_users=60, num_items=60, history_days=60, num_days=4, retrain_days=2)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> ShopRecipe:
    """The benchmark's, ranked by its blend."""
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(RECIPE)
    return recipes.load(path, ["ranker=null", "generators.content.dimension=8"])


@pytest.fixture(scope="module")
def measured(recipe: ShopRecipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    directory = tmp_path_factory.mktemp("loop")
    return directory, measure_seed(directory, SIZES, recipe, 3)


def test_policies_see_the_same_visits_and_only_one_learns(measured: tuple[Path, dict[str, Any]]) -> None:
    _, found = measured
    assert list(found["days"]) == list(POLICIES)
    assert found["trainings"] == {LEARNING: 1, FROZEN: 0, POPULARITY: 0}
    visits = [[day["num_visits"] for day in found["days"][policy]] for policy in POLICIES]
    assert visits[0] == visits[1] == visits[2]
    assert sum(visits[0]) > 10
    assert all(day["num_degraded"] == 0 for policy in POLICIES for day in found["days"][policy])
    daily = {policy: [day["conversion"] for day in found["days"][policy]] for policy in POLICIES}
    assert daily[LEARNING][:2] == daily[FROZEN][:2], "until the first training they are one"
    assert daily[LEARNING][2:] != daily[FROZEN][2:]
    assert daily[POPULARITY] != daily[FROZEN]


def test_a_measured_seed_is_read_not_run_again(measured: tuple[Path, dict[str, Any]], recipe: ShopRecipe) -> None:
    directory, found = measured
    kept = directory / "seed-3-frozen.json"
    content = json.loads(kept.read_text())
    kept.write_text(json.dumps(content | {"trainings": 77}))
    again = measure_seed(directory, SIZES, recipe, 3)
    assert again["trainings"] == {LEARNING: 1, FROZEN: 77, POPULARITY: 0}
    assert again["days"] == found["days"]


def test_what_visitors_do_is_in_the_store_at_its_time(tmp_path: Path) -> None:
    world = World.draw(num_users=80, num_items=40, num_days=20, seed=1)
    history = simulate_history(world, 0)
    workspace = Workspace.create(tmp_path, simulated=True)
    with closing(workspace.open_store()) as store:
        store.anchor_clock(START_MS)
        recommender = Recommender(store, workspace.config, tmp_path)
        loop = ClosedLoop(world, history, store, recommender, from_day=0, placement="popular")
        days = [loop.run_day(day) for day in range(6)]
        events = next(iter(store.scan_events()))
        assert store.now_ms() >= events["time_ms"].max()  # type: ignore[operator]
        counts = dict(events["type"].value_counts().iter_rows())
        assert set(counts) == {"impression", "view", "add_to_cart", "purchase"}
        assert events["time_ms"].is_sorted()
        assert ((events["time_ms"] - START_MS) / DAY_MS).max() < 6.1  # type: ignore[operator]
        launched = world.assortment.launch_day_V <= 5
        for item, is_launched in enumerate(launched):
            assert (store.get_item(item_id(item)) is not None) == is_launched
        report = store.report(START_MS, START_MS + 6 * DAY_MS)
    assert days[0].conversion == 0.0 or days[0].num_visits > 1, "the first visitor of an empty shop sees nothing"
    assert sum(day.num_visits for day in days) > 30
    assert days[-1].conversion > 0
    assert report is not None


def run_of(seed: int, **conversions: float) -> dict[str, Any]:
    days = {
        policy: [{"num_visits": 1, "conversion": 0.5 * value}, {"num_visits": 3, "conversion": value}]
        for policy, value in conversions.items()
    }
    return {"seed": seed, "days": days}


def test_the_lead_is_paired_over_shops() -> None:
    runs = [run_of(0, learning=0.8, frozen=0.4, popularity=0.2), run_of(1, learning=1.6, frozen=0.8, popularity=0.9)]
    found = summarize(runs)
    # (1 x .5 + 3 x 1) / 4 = .875 of the value of the second day.
    assert found["by_seed"][LEARNING] == pytest.approx([0.7, 1.4])
    assert found["conversion"][FROZEN] == pytest.approx(0.875 * 0.6)
    assert found["daily"][POPULARITY] == pytest.approx([0.275, 0.55])
    lead = found["learning_minus"][FROZEN]
    assert lead["difference"] == pytest.approx(0.875 * 0.6)
    # Two shops: one degree of freedom, t = 12.7062; the standard error of (.35, .7) is .175.
    assert (lead["low"], lead["high"]) == pytest.approx((0.525 - 12.7062 * 0.175, 0.525 + 12.7062 * 0.175), abs=1e-4)
    result = found | {"seeds": [0, 1], "sizes": {"retrain_days": 7}}
    svg = closed_loop_chart(result)
    assert svg.count("<circle") == 3, "one week, three policies"
    assert f"{lead['difference']:+.4f}" in svg
    assert np.isfinite(lead["low"])
