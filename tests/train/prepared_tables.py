"""Table recipes and tables for tests, and processes that prepare them: one is killed, one tells its memory."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aisle.data import table_files
from aisle.recipe import TableRecipe
from aisle.recipe.strict import parse_strict
from aisle.train.tables.data import prepare_table

FEATURES: list[dict[str, Any]] = [
    {"kind": "log", "columns": ["n1..n2"]},
    {"kind": "fill_missing", "columns": ["n1..n2"]},
    {"kind": "standardize", "columns": ["n1..n2"]},
    {"kind": "categorify", "columns": ["c1..c2"], "min_count": 2, "null_value": True},
]


def table_recipe(
    train: Path | str,
    *,
    features: list[dict[str, Any]] = FEATURES,
    dense: tuple[str, ...] = ("n1..n2",),
    sparse: tuple[str, ...] = ("c1..c2",),
    **data: Any,
) -> TableRecipe:
    plain = {
        "kind": "table",
        "name": "t",
        "data": {"train": str(train), **data},
        "features": features,
        "inputs": {"dense": list(dense), "sparse": list(sparse)},
        "model": {"kind": "logistic"},
    }
    return parse_strict(TableRecipe, plain, "t")


def write_table(path: Path, num_rows: int, seed: int = 0) -> Path:
    """A table of numbers, some of them missing, and text ids."""
    draw = np.random.default_rng(seed)
    columns: dict[str, Any] = {"label": draw.integers(0, 2, num_rows).astype(np.int8)}
    for name in ("n1", "n2"):
        values = pl.Series(draw.lognormal(2, 1, num_rows))
        columns[name] = values.set(pl.Series(draw.random(num_rows) < 0.1), None)
    for name in ("c1", "c2"):
        columns[name] = pl.Series(draw.integers(0, 1000, num_rows)).cast(pl.String).str.zfill(64)
    pl.DataFrame(columns).write_parquet(path)
    return path


def prepare_and_be_killed(table: Path, directory: Path) -> None:
    """Killed by itself when the first rows were written."""

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage.startswith("transform"):
            os.kill(os.getpid(), signal.SIGKILL)

    prepare_table(table_recipe(table), directory, progress)


def peak_bytes_of(tables: list[Path], directory: Path, result: Path) -> None:
    """Write the peak of this process's memory after each table that it prepares, in short stretches."""
    table_files._BATCH_ROWS = 1 << 13
    peaks = []
    for table in tables:
        prepare_table(table_recipe(table), directory)
        peaks.append(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
    result.write_text(" ".join(peaks))
