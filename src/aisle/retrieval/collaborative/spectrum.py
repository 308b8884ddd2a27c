"""The strongest directions of a sparse matrix, as projections use them.

Legend of shapes: R rows, V columns, D directions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

#: Up to so many cells, and where nearly all directions are asked for, the decomposition is dense: the iterative one
#: would go on from random vectors where there are fewer directions than asked for.
_DENSE_CELLS = 250_000
#: Relative error of the squared singular values: the directions of Gowalla's 256 greatest are exact to seven digits.
_TOLERANCE = 1e-2


def strongest_directions(matrix_RV: sparse.csr_matrix, rank: int, *, seed: int) -> NDArray[np.float32]:
    """The right singular vectors [V, D] of the greatest singular values, D <= rank; those of value 0 say nothing.

    Args:
        matrix_RV: Any matrix.
        rank: How many at most.
        seed: Draws the vector that the iteration starts from; the directions depend on it in rounding alone.
    """
    least = min(matrix_RV.shape)
    if matrix_RV.nnz == 0:
        return np.zeros((matrix_RV.shape[1], 0), np.float32)
    if least * max(matrix_RV.shape) <= _DENSE_CELLS or 2 * rank > least:
        _, values_D, directions_DV = np.linalg.svd(matrix_RV.toarray(), full_matrices=False)
        values_D, directions_DV = values_D[:rank], directions_DV[:rank]
    else:
        start = np.random.default_rng(seed).standard_normal(least).astype(np.float32)
        _, values_D, directions_DV = svds(matrix_RV.astype(np.float32), k=rank, v0=start, tol=_TOLERANCE)
    kept_D = values_D > 1e-3 * values_D.max()
    return np.ascontiguousarray(directions_DV[kept_D].T, np.float32)
