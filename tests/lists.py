"""Small files of interactions whose answer is known, and recipes over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aisle.recipe import ListRecipe, parse_strict

NUM_ITEMS = 12
#: A network that learns the cycle in a few epochs.
SASREC = {
    "kind": "sasrec",
    "dim": 8,
    "max_length": 8,
    "num_blocks": 1,
    "batch_size": 16,
    "loss": {"temperature": 0.1},
}


def write_lists(path: Path, num_users: int = 40, *, num_items: int = NUM_ITEMS, last_is_first: int = 0) -> Path:
    """Stretches of the cycle 0, 1, ..., ``num_items`` - 1, 0, ... of 4 to 7 items, rows in an order of chance.

    The last item of every ``last_is_first``-th user (0: of none) is their first one again.
    """
    rows = [
        {"user_id": user, "item": f"i{(user + place) % num_items:03d}", "at": place}
        for user in range(num_users)
        for place in range(4 + user % 4)
    ]
    frame = pl.DataFrame(rows)
    if last_is_first:
        first = pl.col("item").get(pl.col("at").arg_min()).over("user_id")
        returns = (pl.col("at") == pl.col("at").max().over("user_id")) & (pl.col("user_id") % last_is_first == 0)
        frame = frame.with_columns(pl.when(returns).then(first).otherwise("item").alias("item"))
    frame[np.random.default_rng(0).permutation(len(frame))].write_parquet(path)
    return path


def make_list_recipe(train: Path, model: dict[str, Any], /, **sections: Any) -> ListRecipe:
    """A recipe over :func:`write_lists`' columns under leave one out, nothing masked."""
    document = {
        "kind": "sequence",
        "name": "small",
        "data": {
            "train": str(train),
            "columns": {"user": "user_id", "item": "item", "order": "at"},
            "split": {"kind": "leave-one-out", "mask_last": 0, **sections.pop("split", {})},
        },
        "model": model,
        "train": {"epochs": 3, "learning_rate": 0.01, "evaluate_every": 1, **sections.pop("train", {})},
        "metrics": ["hr@1", "ndcg@3"],
        **sections,
    }
    return parse_strict(ListRecipe, document, "recipe")
