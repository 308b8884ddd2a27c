"""Numba kernels of DLRM's dot interaction: one pass over the vectors of an example, in registers and first-level cache.

In torch operations a product of matrices makes all F x F products, of which the lower triangle is then gathered; the
gathers, forward and backward, take several times as long as the products.

Legend of shapes: B examples, D embedding dimension, S embedded features, F = S + 1 vectors with the dense arch's,
P = F (F - 1) / 2 pairs.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from aisle.nn.kernels import compiled

Floats = NDArray[np.float32]
#: A batch is cut in so many pieces for threads to take.
_PIECES = 64


@compiled
def interact(dense_BD: Floats, embedded_BSD: Floats, out_BI: Floats) -> None:
    """Write the dense vector, and behind it each pair's product, row by row of the lower triangle: [B, D + P]."""
    num_examples, num_sparse, dim = embedded_BSD.shape
    for piece in numba.prange(_PIECES):
        vectors_FD = np.empty((num_sparse + 1, dim), np.float32)
        for b in range(piece * num_examples // _PIECES, (piece + 1) * num_examples // _PIECES):
            vectors_FD[0] = dense_BD[b]
            vectors_FD[1:] = embedded_BSD[b]
            out_BI[b, :dim] = dense_BD[b]
            at = dim
            for row in range(1, num_sparse + 1):
                for column in range(row):
                    product = np.float32(0)
                    for d in range(dim):
                        product += vectors_FD[row, d] * vectors_FD[column, d]
                    out_BI[b, at] = product
                    at += 1


@compiled
def interact_backward(
    dense_BD: Floats, embedded_BSD: Floats, gradient_BI: Floats, dense_out_BD: Floats, embedded_out_BSD: Floats
) -> None:
    """Write the gradients of both inputs."""
    num_examples, num_sparse, dim = embedded_BSD.shape
    for piece in numba.prange(_PIECES):
        vectors_FD = np.empty((num_sparse + 1, dim), np.float32)
        sums_FD = np.empty((num_sparse + 1, dim), np.float32)
        for b in range(piece * num_examples // _PIECES, (piece + 1) * num_examples // _PIECES):
            vectors_FD[0] = dense_BD[b]
            vectors_FD[1:] = embedded_BSD[b]
            sums_FD[0] = gradient_BI[b, :dim]
            sums_FD[1:] = 0
            at = dim
            for row in range(1, num_sparse + 1):
                for column in range(row):
                    factor = gradient_BI[b, at]
                    for d in range(dim):
                        sums_FD[row, d] += factor * vectors_FD[column, d]
                        sums_FD[column, d] += factor * vectors_FD[row, d]
                    at += 1
            dense_out_BD[b] = sums_FD[0]
            embedded_out_BSD[b] = sums_FD[1:]
