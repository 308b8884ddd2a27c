"""A Numba kernel that copies the rows of a table that a batch looks up.

Legend of shapes: R rows, D numbers of a row, N looked up ids.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from aisle.nn import lanes
from aisle.nn.kernels import compiled
from aisle.nn.short_floats import Floats16Or32, store

#: The ids are cut in so many pieces for threads to take.
_PIECES = 64
#: Rows lie anywhere in memory: each is asked for so many rows before it is needed.
_AHEAD = 16


@compiled
def gather_rows(weight_RD: NDArray[np.float32], ids_N: NDArray[np.signedinteger[Any]], out_ND: Floats16Or32) -> None:
    """Copy the rows of ids that lie in ``[0, R)``; others would read foreign memory: check them before.

    Arrays are contiguous. Where ``out_ND`` holds the bits of bfloat16, numbers are rounded to the nearest.
    """
    num_ids, dim = out_ND.shape
    whole = dim // lanes.NUM * lanes.NUM
    for piece in numba.prange(_PIECES):
        end = (piece + 1) * num_ids // _PIECES
        for n in range(piece * num_ids // _PIECES, end):
            if n + _AHEAD < end:
                lanes.prefetch(weight_RD, ids_N[n + _AHEAD] * dim)
            for d in range(0, whole, lanes.NUM):
                lanes.store(out_ND, n * dim + d, lanes.load(weight_RD, ids_N[n] * dim + d))
            for d in range(whole, dim):
                store(out_ND, n, d, weight_RD[ids_N[n], d])
