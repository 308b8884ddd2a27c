"""A training that tells its memory: all but pages of mapped files, which the system takes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from aisle.assemble import table_ranker
from aisle.recipe import TableRecipe, parse_strict
from aisle.train.engine import batches
from aisle.train.engine.batches import RankerRows
from aisle.train.tables.data import prepare_table
from aisle.train.tables.rows import ArrayFile
from aisle.train.tables.run import TableTraining, train_table

NUM_DENSE = 64
NUM_IDS = 1000
#: Of a row: its numbers, two ids, label and weight.
ROW_BYTES = 4 * (NUM_DENSE + 2 + 1 + 1)
MEMORY = Path("/proc/self/smaps_rollup")
_CHUNK_ROWS = 1 << 14


def train_and_tell(place: Path, sizes: list[int], result: Path) -> None:
    """Train two epochs from so many rows on disk, each time anew, and write the most memory of each training."""
    batches._WINDOW_ROWS, batches._BLOCK_ROWS = 1 << 16, 1 << 10  # as of files that are larger by far
    recipe = _recipe(_write_table(place / "table.parquet"))
    table = prepare_table(recipe, place / "prepared")
    peaks = []
    for num_rows in sizes:
        rows = {**table.rows, "train": write_rows(place / f"rows-{len(peaks)}-{num_rows}", num_rows)}
        peak = _Peak()
        training = TableTraining(replace(table, rows=rows), table_ranker, progress=peak)
        train_table(recipe, place / f"run-{len(peaks)}", training)
        peaks.append(str(peak.num_bytes))
    result.write_text(" ".join(peaks))


def write_rows(folder: Path, num_rows: int) -> RankerRows:
    """Rows as they are prepared, mapped: one chunk again and again."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    chunks = {
        "dense": draw.standard_normal((_CHUNK_ROWS, NUM_DENSE), np.float32),
        "sparse": draw.integers(2, NUM_IDS, (_CHUNK_ROWS, 2), np.int32),
        "label": draw.integers(0, 2, _CHUNK_ROWS).astype(np.float32),
        "weight": np.ones(_CHUNK_ROWS, np.float32),
    }
    for name, chunk in chunks.items():
        file = ArrayFile(folder / f"{name}.npy", chunk.dtype, (num_rows, *chunk.shape[1:]))
        for start in range(0, num_rows, _CHUNK_ROWS):
            file.append(chunk[: num_rows - start])
        file.close()
    return RankerRows(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in chunks))


class _Peak:
    """Hears of steps and keeps the most memory seen."""

    num_bytes = 0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage == "train the ranker":
            lines = dict(line.split(":") for line in MEMORY.read_text().splitlines()[1:])
            self.num_bytes = max(self.num_bytes, 1024 * int(lines["Anonymous"].split()[0]))


def _write_table(path: Path) -> Path:
    """A few rows with all ids, for the features."""
    draw = np.random.default_rng(1)
    columns: dict[str, object] = {"label": np.arange(4 * NUM_IDS) % 2}
    columns |= {f"n{number}": draw.standard_normal(4 * NUM_IDS) for number in range(1, NUM_DENSE + 1)}
    columns |= {name: np.arange(4 * NUM_IDS) % NUM_IDS for name in ("c1", "c2")}
    pl.DataFrame(columns).write_parquet(path)
    return path


def _recipe(table: Path) -> TableRecipe:
    document = {
        "kind": "table",
        "name": "bounded",
        "data": {"train": str(table)},
        "features": [{"kind": "categorify", "columns": ["c1", "c2"]}],
        "inputs": {"dense": [f"n1..n{NUM_DENSE}"], "sparse": ["c1", "c2"]},
        "model": {"kind": "logistic"},
        "training": {"batch_size": 4096, "num_epochs": 2, "table_l2": 1e-5, "evaluations_per_epoch": 2, "patience": 9},
    }
    return parse_strict(TableRecipe, document, "recipe")
