"""How many rows per second the loader alone gives: from memory, and from mapped files of more rows than a window.

Legend of shapes: R rows.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from aisle.train.engine.batches import WINDOW_ROWS, Batches, RankerRows
from aisle.train.tables.rows import ArrayFile

_EPOCHS_IN_MEMORY = 20
_NAMES = ("dense", "sparse", "label", "weight")


def measure_loader(rows: RankerRows, *, batch_size: int, seed: int) -> dict[str, int]:
    """Time whole epochs of shuffled batches, which nobody uses.

    Args:
        rows: In memory; the files, in a temporary folder, repeat them until they are more than a window of the shuffle.
        batch_size: Rows of a batch.
        seed: Orders the rows.

    Returns:
        ``samples_per_second`` from memory; ``mapped_samples_per_second`` from the files, in an epoch after the first;
        ``cold_samples_per_second`` in a first epoch, before which the system forgot the files (where it has
        ``posix_fadvise``; elsewhere they may lie in its memory); ``mapped_rows``, how many the files have.
    """
    in_memory = _rows_per_second(rows, batch_size, seed, range(_EPOCHS_IN_MEMORY))
    with tempfile.TemporaryDirectory() as directory:
        mapped = _write(rows, Path(directory))
        cold, again = (_rows_per_second(mapped, batch_size, seed, [epoch]) for epoch in range(2))
        num_rows = len(mapped)
        del mapped  # before its files
    return {
        "samples_per_second": in_memory,
        "mapped_samples_per_second": again,
        "cold_samples_per_second": cold,
        "mapped_rows": num_rows,
    }


def _rows_per_second(rows: RankerRows, batch_size: int, seed: int, epochs: range | list[int]) -> int:
    batches = Batches(rows, batch_size=batch_size, seed=seed)
    started = time.perf_counter()
    num_rows = sum(len(batch.label_B) for epoch in epochs for batch in batches.epoch(epoch))
    return round(num_rows / (time.perf_counter() - started))


def _write(rows: RankerRows, directory: Path) -> RankerRows:
    """Mapped files of the rows, an eighth more than a window, of which the system holds nothing in memory."""
    num_times = -(-WINDOW_ROWS * 9 // (8 * len(rows)))
    mapped = []
    for name, array in zip(_NAMES, (rows.dense_RN, rows.sparse_RS, rows.label_R, rows.weight_R), strict=True):
        path = directory / f"{name}.npy"
        file = ArrayFile(path, array.dtype, (num_times * len(array), *array.shape[1:]))
        for _ in range(num_times):
            file.append(array)
        file.close()
        _forget(path)
        mapped.append(np.load(path, mmap_mode="r", allow_pickle=False))
    return RankerRows(*mapped)


def _forget(path: Path) -> None:
    """Have the system drop its copy of a file that is on the disk."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
