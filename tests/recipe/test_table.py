"""Recipes of tables: what their data, splits and inputs may be, and how they are overridden."""

from __future__ import annotations

import pytest

from aisle.errors import ConfigError
from aisle.recipe import TableRecipe, load, load_shop
from aisle.recipe.data import ColumnSplitSpec, RandomSplitSpec


def table_recipe(*overrides: str) -> TableRecipe:
    recipe = load("criteo", overrides)
    assert isinstance(recipe, TableRecipe)
    return recipe


def test_the_published_criteo_protocol_is_the_recipes() -> None:
    recipe = table_recipe()
    assert recipe.data.split.model_dump() == {"kind": "ordered", "fractions": [0.8, 0.1, 0.1]}
    assert [spec.kind for spec in recipe.features] == ["log", "fill_missing", "standardize", "categorify"]
    assert (recipe.training.batch_size, recipe.training.num_epochs, recipe.tables.embedding_dim) == (1024, 2, 16)


def test_another_kind_of_model_begins_its_block_anew() -> None:
    assert table_recipe("model.dropout=0.5", "model.kind=deepfm").model.model_dump(include={"kind", "dropout"}) == {
        "kind": "deepfm",
        "dropout": 0.5,
    }
    assert table_recipe("model.kind=dlrm").model == table_recipe().model, "the same kind keeps what the file says"
    assert table_recipe("data.split.kind=random").data.split == RandomSplitSpec(kind="random")
    with pytest.raises(ConfigError, match=r"model.deepfm.dense_layers"):
        table_recipe("model.kind=deepfm", "model.dense_layers=[8]")


def test_a_whole_block_can_be_given() -> None:
    recipe = table_recipe(
        "data.split={kind: column, column: block, valid: [8], test: [9]}",
        "data.extra_tests={later: next.parquet}",
        "tables.kind={kind: hashed, share: 0.5}",
    )
    assert recipe.data.split == ColumnSplitSpec(kind="column", column="block", valid=[8], test=[9])
    assert recipe.data.extra_tests == {"later": "next.parquet"}
    assert (recipe.tables.kind.kind, recipe.tables.embedding_dim) == ("hashed", 16)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.split.fractions=[0.8, 0.1, 0.2]", "expected shares of train, valid and test with the sum 1"),
        ("data.split.fractions=[0.8, 0.2]", "at least 3 items"),
        ("data.split={kind: column, column: b, valid: [1], test: [1, 2]}", r"values of valid and test that differ"),
        ("data.extra_tests={valid: a.csv}", "expected names beside train, valid, test, received 'valid'"),
        ("data.extra_tests={Later: a.csv}", "String should match pattern"),
        ("inputs={dense: [], sparse: []}", "expected columns in dense or in sparse, received none"),
        ("data.lable=y", "unknown key 'data.lable', did you mean 'label'"),
        ("model.kind=dlmr", "model"),
        ("model.kind=din", "expected histories and length_column, as the recipe ml-1m-din has, received none"),
        ("model={kind: bst, histories: {item: [h_1]}}", "expected length_column, as the recipe ml-1m-din has"),
        ("model.kind=mmoe", "expected several data.labels, as simulated-multi-task has, received 1"),
        ("tables.kind={kind: hashed}", "expected one of num_buckets, share, received none"),
    ],
)
def test_wrong_values_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        table_recipe(override)


def test_where_a_shop_is_trained_a_table_is_refused() -> None:
    assert load_shop("shop").kind == "shop"
    with pytest.raises(ConfigError, match=r"criteo: expected the recipe of a shop .*, received kind: table"):
        load_shop("criteo")
