"""A Numba kernel that sums the rows of each node's neighbours.

Legend of shapes: N nodes, L directed edges, D numbers of a row.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from aisle.nn import lanes
from aisle.nn.kernels import compiled, compiled_part
from aisle.nn.short_floats import Floats16Or32, store, widened

#: The nodes are cut in so many pieces for threads to take.
_PIECES = 64
#: Rows lie anywhere in memory: each is asked for so many rows before it is needed.
_AHEAD = 16
#: A node's sums of so many numbers are held in registers while its neighbours pass by.
_HELD = 4 * lanes.NUM


@compiled
def add_neighbours(
    neighbours_L: NDArray[np.int32],
    starts_N1: NDArray[np.int32],
    rows_ND: Floats16Or32,
    scale_N: NDArray[np.float32],
    total_ND: NDArray[np.float32],
    next_ND: Floats16Or32,
) -> None:
    """Add to each node's total the sum of its neighbours' rows, and write the scaled sum as the node's next row.

    Arrays are contiguous, ``next_ND`` is none of the others. Sums are of float32; where rows hold the bits of bfloat16,
    the next ones are rounded to the nearest. Ids outside ``[0, N)`` would read foreign memory: check them before.
    """
    num_nodes, dim = total_ND.shape
    num_edges = len(neighbours_L)
    held, whole = dim // _HELD * _HELD, dim // lanes.NUM * lanes.NUM
    for piece in numba.prange(_PIECES):
        for n in range(piece * num_nodes // _PIECES, (piece + 1) * num_nodes // _PIECES):
            begin, end = starts_N1[n], starts_N1[n + 1]
            for d in range(0, held, _HELD):
                sum_0, sum_1, sum_2, sum_3 = lanes.zeros(), lanes.zeros(), lanes.zeros(), lanes.zeros()
                for edge in range(begin, end):
                    if edge + _AHEAD < num_edges:
                        ahead = neighbours_L[edge + _AHEAD] * dim + d
                        lanes.prefetch(rows_ND, ahead)
                        lanes.prefetch(rows_ND, ahead + _HELD // 2)
                    at = neighbours_L[edge] * dim + d
                    sum_0 = lanes.add(sum_0, lanes.load(rows_ND, at))
                    sum_1 = lanes.add(sum_1, lanes.load(rows_ND, at + lanes.NUM))
                    sum_2 = lanes.add(sum_2, lanes.load(rows_ND, at + 2 * lanes.NUM))
                    sum_3 = lanes.add(sum_3, lanes.load(rows_ND, at + 3 * lanes.NUM))
                at = n * dim + d
                _put(sum_0, at, scale_N, n, total_ND, next_ND)
                _put(sum_1, at + lanes.NUM, scale_N, n, total_ND, next_ND)
                _put(sum_2, at + 2 * lanes.NUM, scale_N, n, total_ND, next_ND)
                _put(sum_3, at + 3 * lanes.NUM, scale_N, n, total_ND, next_ND)
            for d in range(held, whole, lanes.NUM):
                sum_0 = lanes.zeros()
                for edge in range(begin, end):
                    sum_0 = lanes.add(sum_0, lanes.load(rows_ND, neighbours_L[edge] * dim + d))
                _put(sum_0, n * dim + d, scale_N, n, total_ND, next_ND)
            for d in range(whole, dim):
                total = np.float32(0)
                for edge in range(begin, end):
                    total += widened(rows_ND[neighbours_L[edge], d])
                total_ND[n, d] += total
                store(next_ND, n, d, total * scale_N[n])


@compiled_part
def _put(
    sums: Any,
    at: int,
    scale_N: NDArray[np.float32],
    n: int,
    total_ND: NDArray[np.float32],
    next_ND: Floats16Or32,
) -> None:
    lanes.store(total_ND, at, lanes.add(lanes.load(total_ND, at), sums))
    lanes.store(next_ND, at, lanes.add_product(lanes.zeros(), scale_N, n, sums))
