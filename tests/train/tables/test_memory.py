"""Training reads prepared rows from disk: however many there are, it holds as much memory."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from tests.train.bounded_training import MEMORY, ROW_BYTES, train_and_tell

MEBIBYTE = 1 << 20


@pytest.mark.skipif(not MEMORY.is_file(), reason="this system does not tell mapped files from other memory")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    few, many = 100_000, 1_100_000
    result = tmp_path / "peaks"
    # The first also loads, for good, what every training needs, down to the export of the model.
    arguments = (tmp_path, [few, few, many], result)
    process = multiprocessing.get_context("spawn").Process(target=train_and_tell, args=arguments)
    process.start()
    process.join()
    _, of_few, of_many = map(int, result.read_text().split())
    more_rows = (many - few) * ROW_BYTES
    assert more_rows > 250 * MEBIBYTE
    assert of_many - of_few < 16 * MEBIBYTE, f"{of_many - of_few} more bytes for {more_rows} more bytes of rows"
