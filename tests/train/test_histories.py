"""A history in a recipe: lists taken apart, their places looked up in the candidate's table, and read by a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.assemble import table_ranker
from aisle.errors import ConfigError
from aisle.recipe import TableRecipe, parse_strict
from aisle.train.tables.evaluation import evaluate_table
from aisle.train.tables.session import prepared, train_table_recipe

PLACES = 3
FEATURES: list[dict[str, Any]] = [
    {"kind": "categorify", "columns": ["item", "history"], "joint": True},
    {"kind": "categorify", "columns": ["user"]},
    {"kind": "list_columns", "columns": ["history"], "length": PLACES},
]
DIN = {"kind": "din", "histories": {"item": ["history_1..history_3"]}, "length_column": "history_length"}
SHARED = {"item": ["history_1..history_3"]}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def histories(num_rows: int, seed: int = 0) -> pl.DataFrame:
    """The label is 1 where the item stands in the history."""
    draw = np.random.default_rng(seed)
    history = [draw.choice(8, int(draw.integers(0, 6)), replace=False).tolist() for _ in range(num_rows)]
    item = [
        int(draw.choice(past[-PLACES:])) if past and draw.random() < 0.5 else int(draw.integers(8)) for past in history
    ]
    label = [int(one in past[-PLACES:]) for one, past in zip(item, history, strict=True)]
    names = [[f"i{one}" for one in past] or None for past in history]
    return pl.DataFrame(
        {
            "label": label,
            "history": names,
            "user": draw.integers(0, 5, num_rows),
            "item": [f"i{one}" for one in item],
        }
    )


def make_recipe(path: Path, **sections: Any) -> TableRecipe:
    document = {
        "kind": "table",
        "name": "histories",
        "data": {"train": str(path)},
        "features": FEATURES,
        "inputs": {"dense": ["history_length"], "sparse": ["item", "user", "history_1..history_3"]},
        "tables": {"embedding_dim": 4, "shared": SHARED},
        "model": DIN | {"attention_layers": [16], "deep_layers": [16]},
        "training": {"batch_size": 50, "num_epochs": 8, "learning_rate": 0.02, "evaluations_per_epoch": 1},
        **sections,
    }
    return parse_strict(TableRecipe, document, "recipe")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    histories(2000).write_parquet(tmp_path / "histories.parquet")
    return tmp_path / "histories.parquet"


def test_din_finds_what_was_taken_before(path: Path, tmp_path: Path) -> None:
    run = train_table_recipe(make_recipe(path), tmp_path / "din", table_ranker)
    metrics = run.read_metrics()
    assert metrics["metrics"]["test/auc"] > 0.95
    # 8 items and 5 users with padding and unknown; (4 * 4)-16-1 and (item, user, interest)-16-1.
    assert metrics["parameters"] == (10 + 7) * 4 + (16 * 16 + 16 + 17) + (12 * 16 + 16 + 17)
    assert evaluate_table(run)["max_logit_difference"] < 1e-5


@pytest.mark.parametrize("kind", ["bst", "dien"])
def test_models_of_sequences_learn_from_it_too(path: Path, tmp_path: Path, kind: str) -> None:
    model = {key: DIN[key] for key in ("histories", "length_column")} | {"kind": kind, "deep_layers": [16]}
    run = train_table_recipe(make_recipe(path, model=model), tmp_path / kind, table_ranker)
    assert run.read_metrics()["metrics"]["test/auc"] > 0.7, "a model that reads no history is near .5"
    assert evaluate_table(run)["max_logit_difference"] < 1e-5


def test_columns_of_one_table_stand_side_by_side(path: Path) -> None:
    table = prepared(make_recipe(path))
    assert table.table_sizes == {"item": 10, "history_1": 10, "history_2": 10, "history_3": 10, "user": 7}
    rows, raw = table.rows["train"], pl.read_parquet(path)
    row_of = dict(zip(raw["item"], rows.sparse_RS[:, 0].tolist(), strict=False))
    for place, past in enumerate(raw["history"][:50]):
        taken = [row_of[one] for one in (past if past is not None else [])][-PLACES:]
        assert rows.sparse_RS[place, 1:4].tolist() == taken + [0] * (PLACES - len(taken))
        assert rows.dense_RN[place, 0] == len(taken)


@pytest.mark.parametrize("kind", ["dnn", "fm", "dlrm"])
def test_any_model_may_share_tables(path: Path, kind: str) -> None:
    recipe = make_recipe(path, model={"kind": kind})
    table = prepared(recipe)
    ranker = table_ranker(recipe, table.dense_names, table.table_sizes)
    assert ranker.embeddings.feature_names == list(table.table_sizes)
    assert [one.name for one in ranker.embeddings.tables] == ["item", "user"]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"features": [{"kind": "categorify", "columns": ["item", "history", "user"]}, FEATURES[2]]}, "joint: true"),
        ({"tables": {"shared": {"item": ["user"]}}}, "tables.shared.item: expected features whose rows mean the same"),
        ({"inputs": {"dense": ["history_length"], "sparse": ["item", "history"]}}, r"take them apart \(list_columns\)"),
        ({"tables": {}}, "places that share the table item with item"),
        ({"model": DIN | {"length_column": "length"}}, "model.length_column: unknown column 'length'"),
        ({"model": DIN | {"histories": {"item": ["past_*"]}}}, "model.histories.item: expected columns like 'past_"),
    ],
)
def test_what_does_not_fit_is_refused(path: Path, sections: dict[str, Any], message: str) -> None:
    recipe = make_recipe(path, **sections)
    with pytest.raises(ConfigError, match=message):
        table = prepared(recipe)
        table_ranker(recipe, table.dense_names, table.table_sizes)
