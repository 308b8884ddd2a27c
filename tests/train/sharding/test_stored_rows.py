"""Rows that another process opens."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np

from aisle.train.engine.batches import RankerRows
from aisle.train.sharding.stored_rows import StoredRows


def _rows(directory: Path) -> RankerRows:
    arrays = {
        "dense": np.arange(40, dtype=np.float32).reshape(20, 2),
        "sparse": np.arange(60, dtype=np.int32).reshape(20, 3),
        "label": np.ones(20, np.float32),
        "weight": np.full(20, 2, np.float32),
    }
    for name, array in arrays.items():
        np.save(directory / f"{name}.npy", array)
    return RankerRows(*(np.load(directory / f"{name}.npy", mmap_mode="r") for name in arrays))


def test_files_are_named_and_not_sent(tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    stored = StoredRows.of(rows)
    names = ("dense", "sparse", "label", "weight")
    assert stored.arrays == (*(tmp_path / f"{name}.npy" for name in names), None)
    opened = pickle.loads(pickle.dumps(stored)).open()
    assert opened.fingerprint() == rows.fingerprint()
    assert isinstance(opened.sparse_RS, np.memmap)


def test_what_is_in_memory_or_a_part_of_a_file_is_sent(tmp_path: Path) -> None:
    rows = replace(_rows(tmp_path), label_R=np.zeros(20, np.float32), list_R=np.arange(20))
    stored = StoredRows.of(rows)
    assert isinstance(stored.arrays[1], Path) and isinstance(stored.arrays[2], np.ndarray)
    assert pickle.loads(pickle.dumps(stored)).open().fingerprint() == rows.fingerprint()
    part = RankerRows(rows.dense_RN[5:], rows.sparse_RS[5:], rows.label_R[5:], rows.weight_R[5:])
    again = pickle.loads(pickle.dumps(StoredRows.of(part))).open()
    assert again.dense_RN[0].tolist() == [10, 11]
    backwards = replace(rows, dense_RN=rows.dense_RN[::-1])
    assert pickle.loads(pickle.dumps(StoredRows.of(backwards))).open().dense_RN[0].tolist() == [38, 39]
