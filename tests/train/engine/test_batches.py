"""Batches: complete, shuffled by seed, and the same from any place on."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from aisle.train.engine import batches as batches_module
from aisle.train.engine.batches import Batches, RankerRows, in_order
from tests.rankers import make_rows


def _numbered(num_rows: int) -> RankerRows:
    numbers = np.arange(num_rows, dtype=np.float32)
    return RankerRows(numbers[:, None], np.full((num_rows, 2), 5), numbers % 2, np.ones(num_rows, np.float32))


def _seen(batches: Batches, epoch: int, first: int = 0) -> list[list[float]]:
    return [batch.dense_BN[:, 0].tolist() for batch in batches.epoch(epoch, first)]


def test_an_epoch_holds_every_row_once_in_another_order_each_time() -> None:
    batches = Batches(_numbered(10), batch_size=4, seed=1)
    first, second = _seen(batches, 0), _seen(batches, 1)
    assert [len(one) for one in first] == [4, 4, 2] and batches.num_batches == 3
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert first != second
    assert first == _seen(Batches(_numbered(10), batch_size=4, seed=1), 0)
    assert first != _seen(Batches(_numbered(10), batch_size=4, seed=2), 0)


def test_an_epoch_goes_on_from_any_batch() -> None:
    batches = Batches(_numbered(50), batch_size=8, seed=1, unknown_rate=0.5, unknown_columns=[1])
    whole = list(batches.epoch(3))
    for one, other in zip(batches.epoch(3, 4), whole[4:], strict=True):
        assert torch.equal(one.dense_BN, other.dense_BN) and torch.equal(one.sparse_BS, other.sparse_BS)


def test_ids_become_unknown_at_the_stated_rate_in_the_stated_columns() -> None:
    rows = _numbered(4000)
    batches = Batches(rows, batch_size=1000, seed=0, unknown_rate=0.1, unknown_columns=[1])
    ids = torch.cat([batch.sparse_BS for batch in batches.epoch(0)])
    assert (ids[:, 0] == 5).all()
    assert 0.08 < (ids[:, 1] == 1).float().mean() < 0.12
    assert (rows.sparse_RS == 5).all()


def test_many_rows_are_shuffled_window_by_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "WINDOW_ROWS", 48)
    monkeypatch.setattr(batches_module, "_BLOCK_ROWS", 8)
    batches = Batches(_numbered(205), batch_size=16, seed=1)
    first, second = _seen(batches, 0), _seen(batches, 1)
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(205))
    assert [len(one) for one in first] == [16] * 12 + [13] and first != second
    # A window, here of three batches, holds six whole blocks, and other ones in each epoch.
    blocks, others = ({int(row) // 8 for row in chain(*epoch[:3])} for epoch in (first, second))
    assert len(blocks) == len(others) == 6 and blocks != others
    assert len({int(row) // 8 for row in first[0]}) > 2, "a batch is of blocks, not of shuffled rows"
    assert _seen(batches, 0, 7) == first[7:]


def test_mapped_files_are_read_like_memory(tmp_path: Path) -> None:
    rows = make_rows(60)
    mapped = []
    for name, array in (("d", rows.dense_RN), ("s", rows.sparse_RS), ("l", rows.label_R), ("w", rows.weight_R)):
        np.save(tmp_path / f"{name}.npy", array)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    from_disk = RankerRows(*mapped)
    assert from_disk.fingerprint() == rows.fingerprint()
    for one, other in zip(
        Batches(from_disk, batch_size=7, seed=3).epoch(0), Batches(rows, batch_size=7, seed=3).epoch(0), strict=True
    ):
        assert torch.equal(one.dense_BN, other.dense_BN) and torch.equal(one.label_B, other.label_B)
    assert torch.equal(torch.cat([one.sparse_BS for one in in_order(from_disk, 16)]), torch.from_numpy(rows.sparse_RS))


def test_a_fingerprint_tells_data_apart() -> None:
    rows = make_rows(60)
    other = RankerRows(rows.dense_RN, rows.sparse_RS, 1 - rows.label_R, rows.weight_R)
    assert rows.fingerprint() != other.fingerprint()


def test_arrays_that_do_not_fit_are_refused() -> None:
    rows = make_rows(4)
    with pytest.raises(ValueError, match=r"label \[R\]"):
        RankerRows(rows.dense_RN, rows.sparse_RS, rows.label_R[:2], rows.weight_R)
    with pytest.raises(ValueError, match="float32, received float64"):
        RankerRows(rows.dense_RN.astype(np.float64), rows.sparse_RS, rows.label_R, rows.weight_R)


def _in_lists(sizes: list[int]) -> RankerRows:
    rows = _numbered(sum(sizes))
    lists = np.repeat(np.arange(len(sizes)), sizes)
    return RankerRows(rows.dense_RN, rows.sparse_RS, rows.label_R, rows.weight_R, lists)


@pytest.mark.parametrize(
    ("sizes", "batch_size", "num_batches"),
    [
        ([3, 1, 4, 2, 5, 1, 3, 2, 2, 1], 6, 4),
        ([1] * 10, 3, 3),
        ([50, 1, 1, 1, 1, 1], 4, 1),
        ([7], 100, 1),
        ([5] * 9, 5, 9),
    ],
)
def test_each_list_is_whole_in_one_batch_and_no_batch_is_empty(
    sizes: list[int], batch_size: int, num_batches: int
) -> None:
    rows = _in_lists(sizes)
    assert rows.list_R is not None
    for seed in range(20):
        batches = Batches(rows, batch_size=batch_size, seed=seed)
        seen = _seen(batches, 0)
        assert len(seen) == batches.num_batches == num_batches
        assert all(seen), "no batch is empty"
        assert sorted(chain(*seen)) == list(range(sum(sizes))), "each row once"
        lists = [set(rows.list_R[[int(row) for row in batch]]) for batch in seen]
        assert sum(len(one) for one in lists) == len(sizes), "no list in two batches"


def test_batches_of_lists_number_their_lists_from_0_and_go_on_from_any_batch() -> None:
    rows = _in_lists([3, 1, 4, 2, 5, 1, 3, 2, 2, 1])
    assert rows.list_R is not None
    batches = Batches(rows, batch_size=6, seed=1, unknown_rate=0.5, unknown_columns=[0])
    whole = list(batches.epoch(2))
    for batch in whole:
        numbers = rows.list_R[batch.dense_BN[:, 0].numpy().astype(int)]
        assert batch.list_B.tolist() == np.unique(numbers, return_inverse=True)[1].tolist()
    for one, other in zip(batches.epoch(2, 2), whole[2:], strict=True):
        assert torch.equal(one.dense_BN, other.dense_BN) and torch.equal(one.sparse_BS, other.sparse_BS)
        assert torch.equal(one.list_B, other.list_B)
    assert _seen(batches, 2) != _seen(batches, 3)
