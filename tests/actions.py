"""A small file of people's actions whose rule is known, and recipes over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aisle.recipe import ActionRecipe, parse_strict

NUM_ITEMS = 12


def write_likes(path: Path, num_users: int = 240) -> Path:
    """Half of the people like even items, half odd ones."""
    generator = np.random.default_rng(0)
    items = generator.integers(0, NUM_ITEMS, (num_users, 12))
    likes = (items + np.arange(num_users)[:, None]) % 2 == 0
    at = np.tile(np.arange(12), num_users)
    user = np.repeat(np.arange(num_users), 12)
    frame = pl.DataFrame({"user_id": user, "item": items.ravel(), "did": np.where(likes, "like", "pass").ravel()})
    frame.with_columns(at=at).sample(fraction=1, shuffle=True, seed=0).write_parquet(path)
    return path


def make_action_recipe(train: Path, *, epochs: int, **sections: Any) -> ActionRecipe:
    """A recipe over :func:`write_likes`' columns."""
    document = {
        "kind": "action",
        "name": "likes",
        "data": {
            "train": str(train),
            "columns": {"item": "item", "action": "did", "order": "at"},
            "positive": ["like"],
        },
        "model": {"kind": "hstu-ranker", "dim": 16, "max_length": 12, "dropout": 0.0},
        "train": {"epochs": epochs, "learning_rate": 0.01, "evaluate_every": 10},
        **sections,
    }
    return parse_strict(ActionRecipe, document, "recipe")
