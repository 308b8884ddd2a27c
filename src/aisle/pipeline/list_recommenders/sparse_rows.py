"""Keeps of each row of a sparse matrix what counts: the greatest weights, or none for the item itself.

Legend of shapes: R rows, V columns, E entries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def strongest_of_rows(weights_RV: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """Of each row the ``count`` greatest entries; of equal ones at the border those of the first columns."""
    weights_RV.sort_indices()
    starts_R, ends_R = weights_RV.indptr[:-1], weights_RV.indptr[1:]
    is_kept_E = np.ones(weights_RV.nnz, np.bool_)
    for row in np.flatnonzero(ends_R - starts_R > count):
        values_N = weights_RV.data[starts_R[row] : ends_R[row]]
        border = np.partition(values_N, -count)[-count]
        is_kept_N = values_N > border
        is_kept_N[np.flatnonzero(values_N == border)[: count - int(is_kept_N.sum())]] = True
        is_kept_E[starts_R[row] : ends_R[row]] = is_kept_N
    return _part(weights_RV, is_kept_E)


def latest_of_rows(weights_RV: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """Of each row the ``count`` entries of the greatest columns."""
    weights_RV.sort_indices()
    return _part(weights_RV, np.arange(weights_RV.nnz) >= weights_RV.indptr[1:][_row_E(weights_RV)] - count)


def without_diagonal(weights_VV: sparse.csr_matrix) -> sparse.csr_matrix:
    """All entries but those of an item for itself."""
    return _part(weights_VV, _row_E(weights_VV) != weights_VV.indices)


def _part(weights_RV: sparse.csr_matrix, is_kept_E: NDArray[np.bool_]) -> sparse.csr_matrix:
    parts = (weights_RV.data[is_kept_E], (_row_E(weights_RV)[is_kept_E], weights_RV.indices[is_kept_E]))
    return sparse.csr_matrix(parts, shape=weights_RV.shape)


def _row_E(weights_RV: sparse.csr_matrix) -> NDArray[np.int64]:
    return np.repeat(np.arange(weights_RV.shape[0]), np.diff(weights_RV.indptr))
