"""The strongest directions of a sparse matrix, as projections use them.

Legend of shapes: R rows, V columns, N of both, D directions.
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


def graph_directions(matrix_RV: sparse.csr_matrix, rank: int, *, seed: int) -> NDArray[np.float32]:
    """The strongest directions [N, D] of a graph whose edges join rows to columns: eigenvectors of its adjacency.

    An edge counts one over the root of both degrees. A direction is as long as the root of its eigenvalue; all of them
    are scaled so that the mean square of the numbers is 1. Nodes without edges are 0.

    Args:
        matrix_RV: An edge wherever something is stored.
        rank: How many at most, D; fewer where the graph has fewer.
        seed: As that of ``strongest_directions``.
    """
    edges_RV = sparse.csr_matrix(
        (np.ones(matrix_RV.nnz, np.float32), matrix_RV.indices, matrix_RV.indptr), matrix_RV.shape
    )
    of_rows, of_columns = (
        sparse.diags_array(np.maximum(np.asarray(edges_RV.sum(axis=axis)).ravel(), 1) ** -0.5) for axis in (1, 0)
    )
    normalized_RV = sparse.csr_matrix(of_rows @ edges_RV @ of_columns)
    columns_VD = strongest_directions(normalized_RV, rank, seed=seed)
    rows_RD = normalized_RV @ columns_VD  # left singular vectors times singular values
    values_D = np.linalg.norm(rows_RD, axis=0)
    both_ND = np.concatenate([rows_RD / np.sqrt(values_D), columns_VD * np.sqrt(values_D)])
    mean_square = np.square(both_ND).mean() if both_ND.size else 1.0
    scaled_ND: NDArray[np.float32] = (both_ND / np.sqrt(mean_square)).astype(np.float32)
    return scaled_ND
