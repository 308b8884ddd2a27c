"""From which times a ranker learns, and what is said where history is too short for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle import recipe as recipes
from aisle.errors import DataError
from aisle.recipe import ShopRecipe
from aisle.train.shop.ranker_snapshots import example_times
from tests.histories import Line, at, log_of
from tests.train.conftest import SMALL, TrainingShop

LOG = log_of([Line(0, "ann", "tea"), Line(99.5, "ann", "tea")])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ranked.yaml"
    path.write_text(f"{SMALL}\nranker: {{examples: {{snapshots: 3, every_days: 14}}, model: {{kind: logistic}}}}\n")
    return path


def test_times_go_back_from_a_horizon_before(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = recipes.load(path)  # windows of 10 days
    assert example_times(recipe, LOG, at(100)) == [at(90), at(76), at(62)]
    assert caplog.text == ""
    # Each has a horizon behind it and one before it: day 2 has no history.
    assert example_times(recipe, LOG, at(40)) == [at(30), at(16)]
    assert "history for 2 of 3 snapshots of ranker examples" in caplog.text
    assert example_times(recipe, LOG, at(20)) == [at(10)]


def test_a_ranker_of_too_early_a_time_is_refused(path: Path) -> None:
    with pytest.raises(DataError, match="expected more than 40 days of events for a ranker that is tested, received 1"):
        example_times(recipes.load(path), LOG, at(19))


def test_too_short_a_history_says_how_to_go_on_and_following_it_works(shop: TrainingShop, path: Path) -> None:
    def trained(*overrides: str) -> ShopRecipe:
        recipe = recipes.load(path, list(overrides))
        shop.train(recipe)
        return recipe

    with pytest.raises(DataError) as refused:
        trained("windows.horizon_days=12")
    assert str(refused.value) == (
        "expected more than 48 days of events for a ranker that is tested, received 44; import more, "
        "--set windows.horizon_days=N with a shorter one, or --set ranker=null to rank by the blend"
    )
    assert trained("windows.horizon_days=12", "ranker=null").ranker is None
    trained("windows.horizon_days=10", "ranker.training.learning_rate=0.02")
    assert [record.is_active for record in shop.store.bundles()].count(True) == 1
