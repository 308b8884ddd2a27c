"""Training reads prepared rows from disk: however many there are, it holds as much memory, in every epoch."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.train.bounded_training import (
    LIMITED_EPOCHS,
    MEBIBYTE,
    STATUS,
    row_bytes,
    train_and_tell,
    train_within_a_limit,
)

pytestmark = pytest.mark.skipif(not STATUS.is_file(), reason="this system does not tell mapped files from other memory")


def _run(target: Any, *arguments: Any) -> None:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0, "the process failed, see its error above"


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    few, many = 100_000, 1_100_000
    result = tmp_path / "peaks"
    # The first also loads, for good, what every training needs, down to the export of the model.
    _run(train_and_tell, tmp_path, [few, few, many], result)
    _, of_few, of_many = map(int, result.read_text().split())
    more_bytes = (many - few) * row_bytes()
    assert more_bytes > 250 * MEBIBYTE
    assert of_many - of_few < 16 * MEBIBYTE, f"{of_many - of_few} more bytes for {more_bytes} more bytes of rows"


def test_more_rows_than_the_limit_of_memory_are_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the stack of each thread counts for the limit
    result = tmp_path / "result"
    _run(train_within_a_limit, tmp_path, result)
    told = orjson.loads(result.read_bytes())
    assert told["file_bytes"] > 1.2 * told["limit_bytes"]
    peaks = told["peaks_of_many"]
    assert len(peaks) == LIMITED_EPOCHS
    assert peaks[-1] == pytest.approx(peaks[0], rel=0.03), "the memory of the last epoch is that of the first"
    assert max(peaks) - max(told["peaks_of_few"]) < 16 * MEBIBYTE
    assert not told["fits_at_once"], "the limit must keep anyone from holding all rows"
