"""Advice to the kernel, as the kernel tells it of a process."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from aisle.nn.tables import FullTable
from aisle.nn.tables.huge_pages import ask_for_huge_pages
from aisle.train.engine.table_optimizers import TableOptimizer

_MAPS = Path("/proc/self/smaps")


def is_advised(tensor: Tensor) -> bool:
    """Whether the middle of its memory bears the flag of ``MADV_HUGEPAGE``."""
    middle, is_there = tensor.data_ptr() + tensor.nbytes // 2, False
    for line in _MAPS.read_text().splitlines():
        first, *rest = line.split()
        if not first.endswith(":"):
            start, end = (int(bound, 16) for bound in first.split("-"))
            is_there = start <= middle < end
        elif first == "VmFlags:" and is_there:
            return "hg" in rest
    raise AssertionError("the tensor is in no mapping")


@pytest.fixture(autouse=True)
def _linux_with_huge_pages() -> None:
    if not (_MAPS.is_file() and Path("/sys/kernel/mm/transparent_hugepage").is_dir()):
        pytest.skip("this system has no transparent huge pages")


def test_large_tables_and_their_state_ask_for_huge_pages() -> None:
    table = FullTable([60_000, 60_000], 16, generator=torch.Generator().manual_seed(0))
    optimizer = TableOptimizer([table], "adagrad")
    assert is_advised(table.weight)
    assert is_advised(optimizer.state_dict()["0/squares"])


def test_what_is_smaller_than_a_page_stays_as_it_is() -> None:
    small = torch.zeros(1000)
    assert ask_for_huge_pages(small) is small
