"""A Numba kernel that copies the rows of a table that a batch looks up.

Legend of shapes: R rows, D numbers of a row, N looked up ids.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from aisle.nn.kernels import compiled
from aisle.nn.short_floats import Floats16Or32, store

#: The ids are cut in so many pieces for threads to take.
_PIECES = 64
#: Rows lie anywhere in memory: so many are fetched at once, as their loads do not wait for one another.
_AHEAD = 32


@compiled
def _gather(
    weight_RD: NDArray[np.float32],
    ids_N: NDArray[np.signedinteger[Any]],
    out_ND: Floats16Or32,
    fetched_P: NDArray[np.float32],
) -> None:
    num_ids, dim = out_ND.shape
    for piece in numba.prange(_PIECES):
        end, fetched = (piece + 1) * num_ids // _PIECES, np.float32(0)
        for first in range(piece * num_ids // _PIECES, end, _AHEAD):
            last = min(first + _AHEAD, end)
            for n in range(first, last):
                fetched += weight_RD[ids_N[n], 0]
            for n in range(first, last):
                for d in range(dim):
                    store(out_ND, n, d, weight_RD[ids_N[n], d])
        fetched_P[piece] = fetched  # kept, so that the compiler does not leave the fetching out


def gather_rows(weight_RD: NDArray[np.float32], ids_N: NDArray[np.signedinteger[Any]], out_ND: Floats16Or32) -> None:
    """Copy the rows of ids that lie in ``[0, R)``; others would read foreign memory: check them before.

    Where ``out_ND`` holds the bits of bfloat16, numbers are rounded to the nearest.
    """
    _gather(weight_RD, ids_N, out_ND, np.empty(_PIECES, np.float32))
