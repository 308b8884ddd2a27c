"""Numba kernels around DLRM's dot interaction: the lower triangle of each example's products, taken out and put back.

The products themselves are a batched product of matrices. Taking 351 of its 729 values per example by torch's gathers
costs several times as much as the products.

Values are only moved: arrays hold the bits of any type of number as integers of its size.

Legend of shapes: B examples, D embedding dimension, F vectors, P = F (F - 1) / 2 pairs.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from aisle.nn.kernels import compiled

Bits = NDArray[np.signedinteger[Any]]
#: A batch is cut in so many pieces for threads to take.
_PIECES = 64


@compiled
def pack_triangle(first_BD: Bits, products_BFF: Bits, out_BI: Bits) -> None:
    """Write the first vector, and behind it the products below the diagonal, row by row: [B, D + P]."""
    num_examples, num_vectors, _ = products_BFF.shape
    dim = first_BD.shape[1]
    for piece in numba.prange(_PIECES):
        for b in range(piece * num_examples // _PIECES, (piece + 1) * num_examples // _PIECES):
            for d in range(dim):
                out_BI[b, d] = first_BD[b, d]
            at = dim
            for row in range(1, num_vectors):
                for column in range(row):
                    out_BI[b, at + column] = products_BFF[b, row, column]
                at += row


@compiled
def unpack_triangle(packed_BI: Bits, dim: int, out_BFF: Bits) -> None:
    """Write what stands behind the first ``dim`` values on both sides of a diagonal of zeros."""
    num_examples, num_vectors, _ = out_BFF.shape
    for piece in numba.prange(_PIECES):
        for b in range(piece * num_examples // _PIECES, (piece + 1) * num_examples // _PIECES):
            at = dim
            out_BFF[b, 0, 0] = 0
            for row in range(1, num_vectors):
                for column in range(row):
                    out_BFF[b, row, column] = packed_BI[b, at + column]
                    out_BFF[b, column, row] = packed_BI[b, at + column]
                out_BFF[b, row, row] = 0
                at += row
