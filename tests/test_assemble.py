"""From a recipe to objects: every kind fits, and names its sources as the recipe says it will."""

from __future__ import annotations

from typing import get_args

import pytest

from aisle import recipe as recipes
from aisle.assemble import FITS, generator_fitter
from aisle.errors import ConfigError
from aisle.pipeline.generators import KINDS
from aisle.recipe.generators import GeneratorSpec
from tests.histories import Line, snapshot_of
from tests.retrieval.test_content import ITEMS

LINES = [
    Line(day, f"u{day % 5}", item_id, order=f"o{day}")
    for day in range(20)
    for item_id in ("mug-red", "mug-blue", "lamp-desk", "bag")[: 2 + day % 3]
]


def test_every_kind_of_generator_has_a_fit() -> None:
    assert set(FITS) == set(get_args(get_args(GeneratorSpec)[0]))


def test_a_fit_gives_the_sources_that_its_block_names() -> None:
    recipe = recipes.load("shop", ["generators.towers={kind: two_tower, num_epochs: 1}"])
    told: list[str] = []
    fitted = generator_fitter(recipe, lambda name, seconds: told.append(name))(snapshot_of(LINES, ITEMS, day=30))
    named = [source for name, spec in recipe.generators.items() for source in spec.source_names(name)]
    assert list(fitted) == named
    assert all(generator.name == name for name, generator in fitted.items())
    assert {generator.kind for generator in fitted.values()} == set(KINDS)
    assert told == list(recipe.generators)
    asked_for = {source for placement in recipe.placements.values() for source in placement.sources}
    assert asked_for <= set(named)


def test_two_sources_of_one_name_are_refused() -> None:
    overrides = ["generators.popular_20d={kind: trending}"]
    recipe = recipes.load("shop", overrides)
    with pytest.raises(ConfigError, match="two sources are named 'popular_20d'; rename one of them"):
        generator_fitter(recipe)(snapshot_of(LINES, ITEMS, day=30))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("placements.for-you.sources.0=ease_3d", "placements.for-you.sources: unknown source 'ease_3d', did you mean"),
        ("placements.for-you.fill=popular_2d", "placements.for-you.fill: unknown source 'popular_2d', did you mean"),
        ("placements.for-you.fill=own_30d", "placements.for-you.fill: unknown source 'own_30d'"),
        ("placements.for-you.latest.source=popular_20d", "latest.source: unknown source 'popular_20d'"),
        ("generators.ease.history_half_life_days=[30]", "placements.for-you.sources: unknown source 'ease_30d'"),
        ("target=order", "target: expected one of signals (purchase, add_to_cart, like, view), received 'order'"),
    ],
)
def test_a_recipe_that_names_what_there_is_not_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        recipes.load("shop", [override])
    assert message in str(refused.value)
    assert "''" not in str(refused.value)
