"""From a recipe to objects: every kind fits, and names its sources as the recipe says it will."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from aisle import recipe as recipes
from aisle.assemble import FITS, generator_fitter, ranker_builder, shop_fitters
from aisle.errors import ConfigError
from aisle.features.ranker_inputs import RankerInputs
from aisle.models.ranking import DLRM, FieldDLRM, LogisticRegression
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
    others = (
        "generators.towers={kind: two_tower, num_epochs: 1}",
        "generators.next={kind: sequence, epochs: 1}",
        "generators.votes={kind: list_model, model: {kind: item-knn}, min_events: 1}",
    )
    recipe = recipes.load("shop", others)
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


RANKED = """
kind: shop
name: ranked
generators: {popular: {kind: popularity, half_life_days: [5, 60]}, own: {kind: repeats, due: false}}
placements: {for-you: {asks_with: history, fit: next-window, sources: [popular_5d, popular_60d]}}
ranker: {model: {kind: logistic}}
"""
NAMES = ("item_log_price", "price_above_habit", "score_popular_5d", "score_popular_60d", "rank_popular_5d")


def ranker_inputs() -> RankerInputs:
    """Inputs of five features of two buckets each, and of categories."""
    ones = np.ones(len(NAMES), np.float32)
    return RankerInputs(NAMES, np.arange(len(NAMES)), ones, ones, (ones[:1],) * len(NAMES), {"category": 4})


@pytest.mark.parametrize(
    ("overrides", "model", "width"),
    [
        (["kind=logistic"], LogisticRegression, 1),
        (["kind=dlrm", "embedding_dim=6", "over_layers=[3]"], DLRM, 6),
        (["kind=field-dlrm", "embedding_dim=6", "over_layers=[3]"], FieldDLRM, 7),
    ],
)
def test_a_ranker_of_each_kind_is_built_for_its_inputs(
    tmp_path: Path, overrides: list[str], model: type[torch.nn.Module], width: int
) -> None:
    (tmp_path / "ranked.yaml").write_text(RANKED)
    recipe = recipes.load(tmp_path / "ranked.yaml", [f"ranker.model.{override}" for override in overrides])
    assert recipe.ranker is not None
    build = ranker_builder(recipe, recipe.ranker)
    built, again, other = (build(ranker_inputs(), seed) for seed in (1, 1, 2))
    assert isinstance(built, model) and built.num_dense == 5
    assert built.embeddings.feature_names == [*NAMES, "category"]
    assert built.embeddings.embedding_dim == width
    assert [len(built.embeddings.rows_of(name)) for name in ("rank_popular_5d", "category")] == [4, 4]
    assert torch.equal(built.embeddings.table.weight, again.embeddings.table.weight)
    if model is not LogisticRegression:  # which starts from 0
        assert not torch.equal(built.embeddings.table.weight, other.embeddings.table.weight)
    if isinstance(built, FieldDLRM):
        # price, scores of popularity, ranks of popularity, groups
        assert len(built.bias_GD) == 4
        assert built._field_of.argmax(dim=0).tolist() == [0, 0, 1, 1, 2, 3]


def test_a_recipe_without_a_ranker_builds_none() -> None:
    recipe = recipes.load("shop", ["ranker=null"])
    assert shop_fitters(recipe).build_ranker is None
