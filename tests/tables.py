"""Small tables with a known truth, and recipes over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aisle.recipe import TableRecipe, parse_strict

COLOURS = ("red", "green", "blue", "white")


def make_table(num_rows: int, seed: int = 0) -> pl.DataFrame:
    """Labels with the log odds ``1.5 * price - 1``, plus 2 where the colour is red; shops mean nothing."""
    draw = np.random.default_rng(seed)
    price = draw.normal(size=num_rows)
    colour = draw.choice(COLOURS, num_rows)
    logits = 1.5 * price - 1 + 2 * (colour == "red")
    return pl.DataFrame(
        {
            "label": (draw.random(num_rows) < 1 / (1 + np.exp(-logits))).astype(np.int8),
            "price": price,
            "colour": colour,
            "shop": draw.integers(0, 40, num_rows).astype(str),
            "weight": draw.choice([0.5, 1.0, 2.0], num_rows),
        }
    )


def write_table(path: Path, num_rows: int = 1500, seed: int = 0) -> Path:
    """The table as a Parquet file."""
    make_table(num_rows, seed).write_parquet(path)
    return path


def make_recipe(train: Path, *, model: dict[str, Any] | None = None, **sections: Any) -> TableRecipe:
    """A recipe over :func:`make_table`'s columns; logistic regression where no model is named."""
    training = {"batch_size": 100, "num_epochs": 2, "learning_rate": 0.05, **sections.pop("training", {})}
    data = {"train": str(train), **sections.pop("data", {})}
    document = {
        "kind": "table",
        "name": "small",
        "data": data,
        "features": [
            {"kind": "standardize", "columns": ["price"]},
            {"kind": "categorify", "columns": ["colour", "shop"], "min_count": 2},
        ],
        "inputs": {"dense": ["price"], "sparse": ["colour", "shop"]},
        "tables": {"embedding_dim": 4},
        "model": model or {"kind": "logistic"},
        "training": training,
        **sections,
    }
    return parse_strict(TableRecipe, document, "recipe")


#: A model with MLPs, small.
DLRM = {"kind": "dlrm", "dense_layers": [8], "over_layers": [8]}


def make_table_runs(directory: Path) -> Path:
    """``table.parquet``, ``later.parquet``, and runs over them: ``seeds`` (logistic regression, 0 and 1), ``dlrm``."""
    from aisle.assemble import table_ranker
    from aisle.train.recipe_run import RunPlan
    from aisle.train.tables.session import train_table_recipe

    write_table(directory / "table.parquet")
    write_table(directory / "later.parquet", 400, seed=1)
    data = {"extra_tests": {"later": str(directory / "later.parquet")}}
    recipe = make_recipe(directory / "table.parquet", data=data)
    train_table_recipe(recipe, directory / "seeds", table_ranker, plan=RunPlan(seeds=(0, 1)))
    deep = make_recipe(directory / "table.parquet", model=DLRM, data=data, seed=3)
    train_table_recipe(deep, directory / "dlrm", table_ranker)
    return directory
