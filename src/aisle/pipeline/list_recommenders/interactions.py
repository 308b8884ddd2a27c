"""Who took what, as a sparse matrix, and the weights that neighbours and filters give its rows and columns.

Legend of shapes: R lists, V items, N entries of an axis.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.item_lists import ItemLists

#: How fast BM25 saturates, and how much the size of a document counts, as in the library ``implicit``.
BM25_K1, BM25_B = 100.0, 0.8


def taken_matrix(lists: ItemLists, num_items: int) -> sparse.csr_matrix:
    """1 where a list holds an item, however often: [R, V], float32, columns in order."""
    taken_RV = lists.counts(num_items)
    taken_RV.data[:] = 1
    return taken_RV


def row_sums(matrix_RV: sparse.csr_matrix) -> NDArray[np.float32]:
    """The sum of each row [R]."""
    return np.asarray(matrix_RV.sum(axis=1), np.float32).ravel()


def column_sums(matrix_RV: sparse.csr_matrix) -> NDArray[np.float32]:
    """The sum of each column [V]."""
    return np.asarray(matrix_RV.sum(axis=0), np.float32).ravel()


def negative_power(sums_N: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    """1 / sum^exponent; 0 where the sum is 0, for there is nothing to scale."""
    powers_N = np.zeros_like(sums_N)
    np.power(sums_N, -exponent, out=powers_N, where=sums_N > 0)
    return powers_N


def scaled(
    rows_R: NDArray[np.float32] | None, matrix_RV: sparse.csr_matrix, columns_V: NDArray[np.float32] | None
) -> sparse.csr_matrix:
    """The matrix with its rows and columns multiplied by weights."""
    values_E = matrix_RV.data
    if rows_R is not None:
        values_E = values_E * np.repeat(rows_R, np.diff(matrix_RV.indptr))
    if columns_V is not None:
        values_E = values_E * columns_V[matrix_RV.indices]
    return sparse.csr_matrix((values_E, matrix_RV.indices, matrix_RV.indptr), shape=matrix_RV.shape)


def recency_weights(num_lists: int, recency: float) -> NDArray[np.float32]:
    """exp(-recency x age) of each list; the age goes from 1 at the first to 0 at the last: [R]."""
    age_R = np.linspace(1, 0, num_lists) if num_lists > 1 else np.zeros(num_lists)
    return np.exp(-recency * age_R).astype(np.float32)


def tf_idf(taken_RV: sparse.csr_matrix) -> sparse.csr_matrix:
    """Columns as documents, rows as their terms: each entry of a row weighs its :func:`inverse_frequency`."""
    return scaled(inverse_frequency(taken_RV), taken_RV, None)


def bm25(taken_RV: sparse.csr_matrix) -> sparse.csr_matrix:
    """BM25 of columns as documents, rows as their terms.

    Source: Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009.
    """
    size_V = column_sums(taken_RV)
    mean = float(size_V.mean())
    length_V = 1 - BM25_B + BM25_B * size_V / max(mean, 1e-12)
    saturation_V = ((BM25_K1 + 1) / (BM25_K1 * length_V + 1)).astype(np.float32)
    return scaled(inverse_frequency(taken_RV), taken_RV, saturation_V)


def inverse_frequency(taken_RV: sparse.csr_matrix) -> NDArray[np.float32]:
    """The weight of each row [R]: log(V / (1 + its entries)), 0 where it is in all columns."""
    weights_R: NDArray[np.float32] = np.log(taken_RV.shape[1] / (1 + row_sums(taken_RV))).clip(0).astype(np.float32)
    return weights_R


#: By the name in a recipe: what weighs the entries of a matrix of who took what, its columns as documents.
WEIGHTINGS: dict[str, Callable[[sparse.csr_matrix], sparse.csr_matrix]] = {
    "binary": lambda taken_RV: taken_RV,
    "tf-idf": tf_idf,
    "bm25": bm25,
}
