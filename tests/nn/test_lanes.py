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
def transpose(source: NDArray[np.float32], at: int, target: NDArray[np.float32]) -> None:
    lanes.transpose(source, at, source.shape[1], target, 0, target.shape[1])


@compiled
def weigh(factors: NDArray[np.float32], source: NDArray[np.float32], target: NDArray[np.float32]) -> None:
    total = lanes.zeros()
    for row in range(len(factors)):
        total = lanes.add_product(total, factors, row, lanes.load(source, row * lanes.NUM))
    lanes.store(target, 0, total)


@compiled
def combine(one: NDArray[np.float32], other: NDArray[np.float32], factor: float, target: NDArray[np.float32]) -> None:
    ours, theirs = lanes.load(one, 0), lanes.load(other, 0)
    lanes.store(target, 0, lanes.add(ours, theirs))
    lanes.store(target, lanes.NUM, lanes.add_scaled(ours, np.float32(factor), theirs))
    target[2, 0] = lanes.total(lanes.multiply(ours, theirs))


@pytest.fixture
def rows() -> NDArray[np.float32]:
    """Two rows of sixteen small whole numbers, whose sums are exact."""
    return np.arange(32, dtype=np.float32).reshape(2, 16)


def test_numbers_are_taken_from_any_place(rows: NDArray[np.float32]) -> None:
    target = np.empty(16, np.float32)
    copy(rows, 5, target)
    assert np.array_equal(target, np.arange(5, 21))


def test_a_square_of_a_matrix_is_transposed_into_another() -> None:
    source, target = np.arange(20 * 18, dtype=np.float32).reshape(20, 18), np.full((16, 17), -1, np.float32)
    transpose(source, 2 * 18 + 1, target)
    assert np.array_equal(target[:, :16], source[2:18, 1:17].T)
    assert (target[:, 16] == -1).all(), "more was written than sixteen columns"


def test_numbers_are_combined(rows: NDArray[np.float32]) -> None:
    target = np.empty((3, 16), np.float32)
    combine(rows[0], rows[1], -2.0, target)
    assert np.array_equal(target[0], rows[0] + rows[1])
    assert np.array_equal(target[1], rows[0] - 2 * rows[1])
    assert target[2, 0] == rows[0] @ rows[1]


def test_products_are_added(rows: NDArray[np.float32]) -> None:
    target = np.empty(16, np.float32)
    weigh(np.array([2.0, -3.0], np.float32), rows, target)
    assert np.array_equal(target, 2 * rows[0] - 3 * rows[1])


def test_short_numbers_are_widened(rows: NDArray[np.float32]) -> None:
    short = (rows.view(np.uint32) >> 16).astype(np.uint16)  # whole numbers below 256 lose nothing
    target = np.empty(16, np.float32)
    copy(short, 16, target)
    assert np.array_equal(target, rows[1])
