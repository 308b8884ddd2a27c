"""A table recipe on a file's columns: names written out, texts read as what operators make of them, mistakes named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from aisle.errors import ConfigError
from aisle.features.table_workflow import TableWorkflow, table_workflow
from aisle.recipe import TableRecipe
from aisle.recipe.strict import parse_strict

TEXT: dict[str, pl.DataType | None] = dict.fromkeys(["label", "I1", "I2", "C1", "C2", "at"])
STORED: dict[str, pl.DataType | None] = {
    "label": pl.Int8(),
    "I1": pl.Int32(),
    "I2": pl.Float32(),
    "C1": pl.String(),
    "C2": pl.Int64(),
    "at": pl.Int64(),
    "tags": pl.List(pl.String()),
    "day": pl.Date(),
}
LOG = {"kind": "log", "columns": ["I1..I2"]}
CATEGORIFY = {"kind": "categorify", "columns": ["C*"]}


def recipe_of(features: list[dict[str, Any]], dense: list[str], sparse: list[str]) -> TableRecipe:
    plain = {
        "kind": "table",
        "name": "t",
        "data": {"train": "t.csv"},
        "features": features,
        "inputs": {"dense": dense, "sparse": sparse},
        "model": {"kind": "logistic"},
    }
    return parse_strict(TableRecipe, plain, "t")


def resolve(
    features: list[dict[str, Any]],
    dense: list[str],
    sparse: list[str],
    stored: Mapping[str, pl.DataType | None] = STORED,
) -> TableWorkflow:
    return table_workflow(recipe_of(features, dense, sparse), stored)


def test_the_resolved_recipe_names_every_column_and_resolves_to_itself() -> None:
    buckets = {"kind": "bucketize", "columns": ["I?"], "by": "ln_squared", "output": "{column}_bucket"}
    found = resolve([buckets, LOG, CATEGORIFY], ["I1..I2"], ["C*", "*_bucket"])
    assert [spec.columns for spec in found.recipe.features] == [["I1", "I2"], ["I1", "I2"], ["C1", "C2"]]
    assert found.recipe.inputs.dense == ["I1", "I2"]
    assert found.recipe.inputs.sparse == ["C1", "C2", "I1_bucket", "I2_bucket"]
    assert table_workflow(found.recipe, STORED).recipe == found.recipe


def test_of_a_file_only_what_is_read_is_named_with_its_type() -> None:
    found = resolve([LOG], ["I2"], [])
    assert found.types == {"I1": pl.Int32(), "I2": pl.Float32()}
    assert found.workflow.input_schema.names == ["I1", "I2"]


def test_a_text_is_read_as_what_the_recipe_makes_of_it() -> None:
    statistics = {"kind": "target_statistics", "columns": ["C1"], "label": "label", "time": "at"}
    cross = {"kind": "cross", "columns": ["C2", "I2"], "num_buckets": 9, "output": "pair"}
    buckets = {"kind": "bucketize", "columns": ["I2"]}
    ids = {"kind": "categorify", "columns": ["C1..C2"]}
    found = resolve([LOG, buckets, cross, statistics, ids], ["I1", "C1_rate"], ["C1", "C2", "pair"], TEXT)
    assert found.types == {
        "label": pl.Float64(),
        "I1": pl.Float64(),
        "I2": pl.Float64(),  # the cross reads its buckets
        "C1": pl.String(),
        "C2": pl.String(),
        "at": pl.Int64(),
    }
    assert found.time == "at"


def test_a_text_that_is_a_number_and_a_category_is_whole_numbers() -> None:
    copy = {"kind": "log", "columns": ["I1"], "output": "log"}
    found = resolve([copy, {"kind": "categorify", "columns": ["I1"], "output": "id"}], ["log"], ["id"], TEXT)
    assert found.types == {"I1": pl.Int64()}


@pytest.mark.parametrize(
    ("features", "dense", "sparse", "message"),
    [
        ([{"kind": "log", "columns": ["I7"]}], ["I1"], [], r"features.0 \(log\).columns: unknown column 'I7', did you"),
        ([LOG], ["I1", "I9"], [], "inputs.dense: unknown column 'I9', did you mean 'I"),
        ([{"kind": "log", "columns": ["C1"]}], ["C1"], [], r"features.0 \(log\): .*expected number"),
        ([], ["C1"], [], "inputs.dense: expected a number in 'C1', received text; make table rows of it"),
        ([], ["tags"], [], "inputs.dense: expected a number in 'tags', received text in lists"),
        ([], ["day"], [], "inputs.dense: column 'day': .*received the type Date; cast it first"),
        (
            [CATEGORIFY],
            ["C1"],
            ["C2"],
            "inputs.dense: 'C1' holds table rows, which are no quantity; put it into sparse",
        ),
        ([CATEGORIFY], ["I1"], ["I1"], "received I1 in dense and in sparse"),
        (
            [],
            [],
            ["C2"],
            "inputs.sparse: expected table rows in 'C2', received integer values; make rows of them first",
        ),
        ([CATEGORIFY, LOG], [], ["I1"], "inputs.sparse: expected table rows in 'I1', received number values"),
        ([{"kind": "categorify", "columns": ["tags"]}], [], ["tags"], "row in each row of 'tags', received lists"),
        ([], ["label"], [], "inputs.dense: 'label' is the label, a model that reads it learns nothing"),
        ([{"kind": "log", "columns": ["l*"], "output": "x"}], ["x"], [], "'label' is the label"),
        ([{**LOG, "output": "one"}], ["one"], [], r"features.0 \(log\): expected {column} in output"),
    ],
)
def test_what_does_not_fit_is_refused(
    features: list[dict[str, Any]], dense: list[str], sparse: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(features, dense, sparse)
