"""Sixteen numbers at once, in kernels of a line each."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.nn import lanes
from aisle.nn.kernels import compiled


@compiled
def copy(source: NDArray[np.float32], at: int, target: NDArray[np.float32]) -> None:
    lanes.prefetch(source, at)
    lanes.store(target, 0, lanes.load(source, at))


@compiled
def transpose(source: NDArray[np.float32], target: NDArray[np.float32]) -> None:
    for row in range(2):
        lanes.spread(target, row, 2, lanes.load(source, row * lanes.NUM))


@compiled
def weigh(factors: NDArray[np.float32], source: NDArray[np.float32], target: NDArray[np.float32]) -> None:
    total = lanes.zeros()
    for row in range(len(factors)):
        total = lanes.add_product(total, factors, row, lanes.load(source, row * lanes.NUM))
    lanes.store(target, 0, total)


@pytest.fixture
def rows() -> NDArray[np.float32]:
    """Two rows of sixteen small whole numbers, whose sums are exact."""
    return np.arange(32, dtype=np.float32).reshape(2, 16)


def test_numbers_are_taken_from_any_place(rows: NDArray[np.float32]) -> None:
    target = np.empty(16, np.float32)
    copy(rows, 5, target)
    assert np.array_equal(target, np.arange(5, 21))


def test_numbers_are_spread(rows: NDArray[np.float32]) -> None:
    target = np.empty((16, 2), np.float32)
    transpose(rows, target)
    assert np.array_equal(target, rows.T)


def test_products_are_added(rows: NDArray[np.float32]) -> None:
    target = np.empty(16, np.float32)
    weigh(np.array([2.0, -3.0], np.float32), rows, target)
    assert np.array_equal(target, 2 * rows[0] - 3 * rows[1])


def test_short_numbers_are_widened(rows: NDArray[np.float32]) -> None:
    short = (rows.view(np.uint32) >> 16).astype(np.uint16)  # whole numbers below 256 lose nothing
    target = np.empty(16, np.float32)
    copy(short, 16, target)
    assert np.array_equal(target, rows[1])
