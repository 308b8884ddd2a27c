"""The loader alone: files like the rows in memory, and far more rows per second than training takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.studies import loader_speed
from aisle.studies.loader_speed import measure_loader
from aisle.studies.train_speed import SpeedSettings, make_stream, measure_step


def test_files_are_of_more_rows_than_a_window_and_repeat_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader_speed, "WINDOW_ROWS", 1000)
    rows = make_stream(SpeedSettings(num_dense=3, num_tables=2, table_rows=100), 200)
    mapped = loader_speed._write(rows, tmp_path)
    assert isinstance(mapped.dense_RN, np.memmap)
    assert len(mapped) == 1200, "six times 200 is the first to exceed 1,000 by an eighth"
    for name in ("dense_RN", "sparse_RS", "label_R", "weight_R"):
        array = getattr(rows, name)
        assert np.array_equal(getattr(mapped, name), np.concatenate([array] * 6))
    told = measure_loader(rows, batch_size=64, seed=0)
    assert told.pop("mapped_rows") == 1200
    assert set(told) == {"samples_per_second", "mapped_samples_per_second", "cold_samples_per_second"}
    assert min(told.values()) > 0


@pytest.mark.timing
def test_the_loader_gives_ten_times_what_training_takes() -> None:
    # DLRM of the benchmark on two threads, as in its published numbers; the loader has one.
    settings = SpeedSettings(num_turns=6, threads=2)
    trained = measure_step(settings)["samples_per_second"]
    loader = measure_loader(make_stream(settings, 2**15), batch_size=settings.batch_size, seed=0)
    assert loader["mapped_rows"] > 2**21, "more than the window of the shuffle"
    assert loader["samples_per_second"] > 10 * trained
    assert loader["mapped_samples_per_second"] > 10 * trained
    # More than 20 times here; but how fast files are read first, 164 bytes a row, is a disk's affair.
    assert loader["cold_samples_per_second"] > 2 * trained
