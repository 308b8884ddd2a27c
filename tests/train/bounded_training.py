"""Trainings that tell their memory: all but pages of mapped files, which the system takes back. One has a limit."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from aisle.assemble import table_ranker
from aisle.models.ranking import DLRM
from aisle.recipe import TableRecipe, parse_strict
from aisle.train.engine import batches
from aisle.train.engine.batches import RankerRows
from aisle.train.engine.checkpoints import Checkpoints
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.tables.data import prepare_table
from aisle.train.tables.rows import ArrayFile
from aisle.train.tables.run import TableTraining, train_table
from tests.rankers import TABLE_ROWS, generator, make_embeddings

NUM_DENSE = 64
NUM_IDS = 1000
MEBIBYTE = 1 << 20
#: What the system says of this process: held memory without files (RssAnon), and what a limit is of (VmData).
STATUS = Path("/proc/self/status")
LIMITED_EPOCHS = 3
#: Wide rows: few steps read many bytes.
_LIMITED_DENSE = 512
#: For what a training needs beside what its first steps have asked for.
_LIMITED_ROOM_BYTES = 64 * MEBIBYTE
_CHUNK_ROWS = 1 << 14


def train_and_tell(place: Path, sizes: list[int], result: Path) -> None:
    """Train two epochs from so many rows on disk, each time anew, and write the most memory of each training."""
    batches.WINDOW_ROWS, batches._BLOCK_ROWS = 1 << 16, 1 << 10  # as of files that are larger by far
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


def train_within_a_limit(place: Path, result: Path) -> None:
    """Train DLRM on a few rows, then under a limit on more than it; then ask for all these rows at once."""
    batches.WINDOW_ROWS, batches._BLOCK_ROWS = 1 << 16, 1 << 10
    few = _rows_with_ids(place / "few", _CHUNK_ROWS)
    of_few = _train_dlrm(few, place / "checkpoints-few")  # it also loads, for good, what every training needs
    limit_bytes = _held_bytes("VmData") + _LIMITED_ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    many = _rows_with_ids(place / "many", 5 * limit_bytes // (4 * row_bytes(_LIMITED_DENSE)))
    told = {
        "limit_bytes": limit_bytes,
        "file_bytes": sum(path.stat().st_size for path in (place / "many").iterdir()),
        "peaks_of_few": of_few,
        "peaks_of_many": _train_dlrm(many, place / "checkpoints-many"),
        "fits_at_once": _fits_at_once(many),
    }
    result.write_bytes(orjson.dumps(told))


def _rows_with_ids(folder: Path, num_rows: int) -> RankerRows:
    return write_rows(folder, num_rows, num_dense=_LIMITED_DENSE, num_ids=min(TABLE_ROWS))


def _train_dlrm(rows: RankerRows, directory: Path) -> list[int]:
    """The most memory seen in each epoch."""
    directory.mkdir()
    settings = LoopSettings(
        batch_size=2048, num_epochs=LIMITED_EPOCHS, table_optimizer="row_wise_adagrad", patience=LIMITED_EPOCHS
    )
    ranker = DLRM(
        make_embeddings(8), num_dense=_LIMITED_DENSE, dense_layers=(16,), over_layers=(16,), generator=generator()
    )
    later = RankerRows(*(array[:_CHUNK_ROWS] for array in arrays_of(rows)))
    peaks = [0] * LIMITED_EPOCHS

    def look(stage: str, done: int, total: int | None) -> None:
        assert total is not None, "the steps of a training are known"
        epoch = (done - 1) * LIMITED_EPOCHS // total
        peaks[epoch] = max(peaks[epoch], _held_bytes("RssAnon"))

    train_ranker(ranker, rows, later, settings, checkpoints=Checkpoints(directory), progress=look)
    return peaks


def _fits_at_once(rows: RankerRows) -> bool:
    try:
        held = [np.array(array) for array in arrays_of(rows)]
    except MemoryError:
        return False
    return len(held) > 0


def arrays_of(rows: RankerRows) -> tuple[NDArray[np.generic], ...]:
    return rows.dense_RN, rows.sparse_RS, rows.label_R, rows.weight_R


def row_bytes(num_dense: int = NUM_DENSE) -> int:
    """Of a row: its numbers, two ids, label and weight."""
    return 4 * (num_dense + 2 + 1 + 1)


def write_rows(folder: Path, num_rows: int, *, num_dense: int = NUM_DENSE, num_ids: int = NUM_IDS) -> RankerRows:
    """Rows as they are prepared, mapped: one chunk again and again."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    chunks = {
        "dense": draw.standard_normal((_CHUNK_ROWS, num_dense), np.float32),
        "sparse": draw.integers(2, num_ids, (_CHUNK_ROWS, 2), np.int32),
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
            self.num_bytes = max(self.num_bytes, _held_bytes("RssAnon"))


def _held_bytes(name: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(lines[name].split()[0])


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
